package io.c2crelay.it.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Takes the agent's connections with a certificate of its own, opens a TLS connection of its own to
 * the real relay for each, and forwards every frame, so it could read and change all of them.
 */
public final class ManInTheMiddle implements AutoCloseable {

  private final ServerSocket server;
  private final RelayProcess relay;
  private final RawIdentity identity = RawIdentity.create();
  private final AtomicInteger joined = new AtomicInteger();
  private final AtomicInteger dataKinds = new AtomicInteger();

  private ManInTheMiddle(ServerSocket server, RelayProcess relay) {
    this.server = server;
    this.relay = relay;
  }

  public static ManInTheMiddle before(RelayProcess relay) {
    try {
      ManInTheMiddle man =
          new ManInTheMiddle(new ServerSocket(0, 100, InetAddress.getLoopbackAddress()), relay);
      spawn(man::acceptAll);
      return man;
    } catch (IOException e) {
      throw new AssertionError("no port for the man in the middle", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  /** How many times TLS stood on both of its sides. */
  public int joined() {
    return joined.get();
  }

  /** How many data connections the agent opened to it. */
  public int dataConnections() {
    return dataKinds.get();
  }

  private void acceptAll() {
    try {
      while (true) {
        Socket agent = server.accept();
        spawn(() -> join(agent));
      }
    } catch (IOException closed) {
      // It ends.
    }
  }

  private void join(Socket agent) {
    try {
      byte[] preamble = agent.getInputStream().readNBytes(16);
      if (preamble.length == 16 && preamble[10] != Wire.KIND_CONTROL) {
        dataKinds.incrementAndGet();
      }
      RawConnection near = RawConnection.accept(agent, preamble, identity);
      RawConnection far = RawConnection.open(relay.address(), preamble);
      joined.incrementAndGet();
      spawn(() -> pump(near, far));
      spawn(() -> pump(far, near));
    } catch (IOException | AssertionError e) {
      try {
        agent.close();
      } catch (IOException ignored) {
        // It is gone already.
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
    } catch (IOException ended) {
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
