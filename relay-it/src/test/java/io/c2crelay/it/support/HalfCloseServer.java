package io.c2crelay.it.support;

import java.io.IOException;

/** Reads until FIN, then replies with the length and SHA-256 of what it read, then closes. */
public final class HalfCloseServer extends Target {

  private HalfCloseServer() {}

  public static HalfCloseServer start() {
    HalfCloseServer server = new HalfCloseServer();
    server.accept();
    return server;
  }

  /** What it replies to a user who sent this. */
  public static String reply(Bulk.Sum sum) {
    return sum.length() + " " + sum.sha256() + "\n";
  }

  @Override
  void serve(TcpEnd connection) throws IOException {
    try (connection) {
      connection.send(reply(Bulk.read(connection.in())));
    }
  }
}
