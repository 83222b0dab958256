package io.c2crelay.it.support;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;

/** Reads and drops, and counts. */
public final class SinkServer extends Target {

  private final AtomicLong bytes = new AtomicLong();

  private SinkServer() {}

  public static SinkServer start() {
    SinkServer server = new SinkServer();
    server.accept();
    return server;
  }

  public long bytes() {
    return bytes.get();
  }

  @Override
  void serve(TcpEnd connection) throws IOException {
    try (connection) {
      byte[] buffer = new byte[64 * 1024];
      for (int n = connection.in().read(buffer); n >= 0; n = connection.in().read(buffer)) {
        bytes.addAndGet(n);
      }
    }
  }
}
