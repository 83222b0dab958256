package io.c2crelay.it.support;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A {@link Behaviour#ECHO} that counts the connections that brought a byte. Without one there may
 * be more than users: an agent's connection whose preamble is late costs the target one, as
 * docs/protocol.md says in section 1.
 */
public final class CountingEcho implements Behaviour {

  private final AtomicInteger heard = new AtomicInteger();

  @Override
  public void serve(TcpEnd connection) throws IOException {
    byte[] first = connection.in().readNBytes(1);
    if (first.length > 0) {
      heard.incrementAndGet();
    }
    connection.send(first);
    ECHO.serve(connection);
  }

  /** How many so far; one is counted before its first byte is sent back. */
  public int heard() {
    return heard.get();
  }
}
