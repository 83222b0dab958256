package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * How a target handles one connection, on a thread per connection. It closes the connection at the
 * end.
 */
@FunctionalInterface
public interface Behaviour {

  /** The first bytes of {@link #GREETING}. */
  String HELLO = "220 ready when you are\r\n";

  /** Echoes all bytes, and FIN after FIN. */
  Behaviour ECHO =
      connection -> {
        try (connection) {
          connection.in().transferTo(connection.out());
          connection.finish();
        }
      };

  /** Sends {@link #HELLO} first, as mail servers do; then echoes. */
  Behaviour GREETING =
      connection -> {
        connection.send(HELLO);
        ECHO.serve(connection);
      };

  /** Reads until FIN, replies with length and SHA-256 of the input, then closes. */
  Behaviour HALF_CLOSE =
      connection -> {
        try (connection) {
          connection.send(reply(Bulk.read(connection.in())));
        }
      };

  void serve(TcpEnd connection) throws IOException;

  /** The reply of {@link #HALF_CLOSE} to this input. */
  static byte[] reply(Bulk.Sum sum) {
    return (sum.length() + " " + sum.sha256() + "\n").getBytes(StandardCharsets.UTF_8);
  }
}
