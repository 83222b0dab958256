package io.c2crelay.it.support;

import java.io.IOException;

/** Speaks second: sends back what it gets, and FIN after FIN. */
public final class EchoServer extends Target {

  private EchoServer() {}

  public static EchoServer start() {
    EchoServer server = new EchoServer();
    server.accept();
    return server;
  }

  @Override
  void serve(TcpEnd connection) throws IOException {
    try (connection) {
      connection.in().transferTo(connection.out());
      connection.finish();
    }
  }
}
