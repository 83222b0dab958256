package io.c2crelay.it.support;

import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A {@link Behaviour#ECHO} that keeps what came first on each connection that brought a byte.
 * Without one there may be more than users: an agent's connection whose preamble is late costs the
 * target one, as docs/protocol.md says in section 1.
 */
public final class KeepingEcho implements Behaviour {

  private final Queue<byte[]> heard = new ConcurrentLinkedQueue<>();

  @Override
  public void serve(TcpEnd connection) throws IOException {
    byte[] first = new byte[32];
    int length = connection.in().read(first);
    if (length > 0) {
      byte[] kept = Arrays.copyOf(first, length);
      heard.add(kept);
      connection.send(kept);
    }
    ECHO.serve(connection);
  }

  /** At most 32 bytes of each connection so far; kept before they are sent back. */
  public Collection<byte[]> heard() {
    return heard;
  }
}
