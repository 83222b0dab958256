package io.c2crelay.it.support;

import java.io.IOException;

/** Speaks first, as mail servers do; then echoes. */
public final class GreetingServer extends Target {

  public static final String GREETING = "220 ready when you are\r\n";

  private GreetingServer() {}

  public static GreetingServer start() {
    GreetingServer server = new GreetingServer();
    server.accept();
    return server;
  }

  @Override
  void serve(TcpEnd connection) throws IOException {
    try (connection) {
      connection.send(GREETING);
      connection.in().transferTo(connection.out());
      connection.finish();
    }
  }
}
