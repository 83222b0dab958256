package io.c2crelay.it.support;

import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A {@link Behaviour#ECHO} that records the first bytes of each connection. Ignores connections
 * without a byte: a late preamble of an agent can cause one (docs/protocol.md, section 1).
 */
public final class RecordingEcho implements Behaviour {

  private final Queue<byte[]> firstBytes = new ConcurrentLinkedQueue<>();

  @Override
  public void serve(TcpEnd connection) throws IOException {
    byte[] first = new byte[32];
    int length = connection.in().read(first);
    if (length > 0) {
      byte[] recorded = Arrays.copyOf(first, length);
      firstBytes.add(recorded);
      connection.send(recorded);
    }
    ECHO.serve(connection);
  }

  /** The first bytes, at most 32, of each connection; recorded before they are echoed. */
  public Collection<byte[]> firstBytes() {
    return firstBytes;
  }
}
