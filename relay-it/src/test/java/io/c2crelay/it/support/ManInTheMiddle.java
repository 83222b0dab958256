package io.c2crelay.it.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Terminates the agent's TLS with its own certificate, opens a TLS connection to the real relay for
 * each connection, and forwards all frames in plaintext.
 */
public final class ManInTheMiddle implements AutoCloseable {

  private final ServerSocket server;
  private final RelayProcess relay;
  private final RawIdentity identity = RawIdentity.create();
  private final AtomicInteger intercepted = new AtomicInteger();
  private final AtomicInteger dataConnections = new AtomicInteger();

  private ManInTheMiddle(ServerSocket server, RelayProcess relay) {
    this.server = server;
    this.relay = relay;
  }

  public static ManInTheMiddle inFrontOf(RelayProcess relay) {
    try {
      ManInTheMiddle mitm =
          new ManInTheMiddle(new ServerSocket(0, 100, InetAddress.getLoopbackAddress()), relay);
      spawn(mitm::acceptAll);
      return mitm;
    } catch (IOException e) {
      throw new AssertionError("cannot listen", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  /** The number of connections with TLS on both sides. */
  public int intercepted() {
    return intercepted.get();
  }

  /** The number of data connections that the agent opened. */
  public int dataConnections() {
    return dataConnections.get();
  }

  private void acceptAll() {
    try {
      while (true) {
        Socket agent = server.accept();
        spawn(() -> intercept(agent));
      }
    } catch (IOException ignored) {
      // The server socket was closed.
    }
  }

  private void intercept(Socket agent) {
    try {
      byte[] preamble = agent.getInputStream().readNBytes(16);
      if (preamble.length == 16 && preamble[10] != Wire.KIND_CONTROL) {
        dataConnections.incrementAndGet();
      }
      RawConnection agentSide = RawConnection.accept(agent, preamble, identity);
      RawConnection relaySide = RawConnection.open(relay.address(), preamble);
      intercepted.incrementAndGet();
      spawn(() -> pump(agentSide, relaySide));
      spawn(() -> pump(relaySide, agentSide));
    } catch (IOException | AssertionError e) {
      try {
        agent.close();
      } catch (IOException ignored) {
        // Already closed.
      }
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

  private static void spawn(Runnable task) {
    Thread thread = new Thread(task, "man-in-the-middle");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
