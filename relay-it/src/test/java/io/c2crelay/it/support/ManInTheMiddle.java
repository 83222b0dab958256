package io.c2crelay.it.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Terminates the agent's TLS with its own certificate, opens a TLS connection to the real relay for
 * each connection, and forwards all frames in plaintext.
 */
public final class ManInTheMiddle implements AutoCloseable {

  private final Target listener;
  private final RelayProcess relay;
  private final RawIdentity identity = RawIdentity.create();
  private final AtomicInteger intercepted = new AtomicInteger();
  private final AtomicInteger dataConnections = new AtomicInteger();

  private ManInTheMiddle(RelayProcess relay) {
    this.relay = relay;
    listener = Target.start(this::intercept);
  }

  public static ManInTheMiddle inFrontOf(RelayProcess relay) {
    return new ManInTheMiddle(relay);
  }

  public int port() {
    return listener.port();
  }

  /** The number of connections with TLS on both sides. */
  public int intercepted() {
    return intercepted.get();
  }

  /** The number of data connections that the agent opened. */
  public int dataConnections() {
    return dataConnections.get();
  }

  private void intercept(TcpEnd agent) {
    try {
      byte[] preamble = agent.in().readNBytes(16);
      if (preamble.length == 16 && preamble[10] != Wire.KIND_CONTROL) {
        dataConnections.incrementAndGet();
      }
      RawConnection agentSide = RawConnection.accept(agent.socket(), preamble, identity);
      RawConnection relaySide = RawConnection.open(relay.address(), preamble);
      intercepted.incrementAndGet();
      Async.start("man-in-the-middle", () -> pump(agentSide, relaySide));
      Async.start("man-in-the-middle", () -> pump(relaySide, agentSide));
    } catch (IOException | AssertionError e) {
      agent.close();
    }
  }

  private static void pump(RawConnection from, RawConnection to) {
    try {
      InputStream in = from.in();
      OutputStream out = to.out();
      byte[] buffer = new byte[16 * 1024];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        out.write(buffer, 0, n);
        out.flush();
      }
    } catch (IOException ignored) {
      // Both ends close below.
    } finally {
      from.close();
      to.close();
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }
}
