package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * What a target does with one connection, on a thread of that connection. It closes the connection
 * when it is done.
 */
@FunctionalInterface
public interface Behaviour {

  /** What {@link #GREETING} says first. */
  String HELLO = "220 ready when you are\r\n";

  /** Speaks second: sends back what it gets, and FIN after FIN. */
  Behaviour ECHO =
      connection -> {
        try (connection) {
          connection.in().transferTo(connection.out());
          connection.finish();
        }
      };

  /** Speaks first, as mail servers do; then echoes. */
  Behaviour GREETING =
      connection -> {
        connection.send(HELLO);
        ECHO.serve(connection);
      };

  /** Reads until FIN, then replies with the length and SHA-256 of what it read, then closes. */
  Behaviour HALF_CLOSE =
      connection -> {
        try (connection) {
          connection.send(reply(Bulk.read(connection.in())));
        }
      };

  /** Reads and drops until FIN. */
  Behaviour SINK =
      connection -> {
        try (connection) {
          Bulk.read(connection.in());
        }
      };

  void serve(TcpEnd connection) throws IOException;

  /** What {@link #HALF_CLOSE} replies to one who sent this. */
  static byte[] reply(Bulk.Sum sum) {
    return (sum.length() + " " + sum.sha256() + "\n").getBytes(StandardCharsets.UTF_8);
  }
}
