package io.c2crelay.it.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The network between agent and relay, with faults on demand: connections reset by kind, or
 * everything held as by a cut cable.
 */
public final class FaultProxy implements AutoCloseable {

  private final ServerSocket server;
  private final InetSocketAddress relay;
  private final List<Link> links = new CopyOnWriteArrayList<>();
  private final Object gate = new Object();
  private boolean held; // guarded by gate
  private boolean closed; // guarded by gate

  private FaultProxy(ServerSocket server, InetSocketAddress relay) {
    this.server = server;
    this.relay = relay;
  }

  public static FaultProxy to(RelayProcess relay) {
    try {
      FaultProxy proxy =
          new FaultProxy(
              new ServerSocket(0, 100, InetAddress.getLoopbackAddress()), relay.address());
      spawn(proxy::acceptAll);
      return proxy;
    } catch (IOException e) {
      throw new AssertionError("no port for a proxy", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  /** From now on nothing passes and nothing ends; both sides see silence. */
  public void hold() {
    synchronized (gate) {
      held = true;
    }
  }

  /** What was held passes now. */
  public void release() {
    synchronized (gate) {
      held = false;
      gate.notifyAll();
    }
  }

  /** Resets both ends of every connection of this kind; returns how many there were. */
  public int reset(int kind) {
    int count = 0;
    for (Link link : links) {
      if (link.kind == kind && links.remove(link)) {
        link.reset();
        count++;
      }
    }
    return count;
  }

  private void acceptAll() {
    try {
      while (true) {
        Socket agent = server.accept();
        spawn(() -> serve(agent));
      }
    } catch (IOException closedNow) {
      // The proxy ends.
    }
  }

  private void serve(Socket agent) {
    try {
      byte[] preamble = agent.getInputStream().readNBytes(16);
      awaitOpen();
      Socket onward = new Socket();
      onward.setTcpNoDelay(true);
      agent.setTcpNoDelay(true);
      onward.connect(relay, 5_000);
      onward.getOutputStream().write(preamble);
      Link link = new Link(preamble.length < 16 ? -1 : preamble[10], agent, onward);
      links.add(link);
      spawn(() -> pump(link, agent, onward));
      spawn(() -> pump(link, onward, agent));
    } catch (IOException e) {
      reset(agent);
    }
  }

  private void pump(Link link, Socket from, Socket to) {
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      byte[] buffer = new byte[64 * 1024];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        awaitOpen();
        out.write(buffer, 0, n);
      }
      awaitOpen();
      to.shutdownOutput();
      if (link.ended.incrementAndGet() == 2) {
        links.remove(link);
        from.close();
        to.close();
      }
    } catch (IOException e) {
      awaitOpen();
      links.remove(link);
      link.reset();
    }
  }

  private void awaitOpen() {
    synchronized (gate) {
      while (held && !closed) {
        try {
          gate.wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }
  }

  private static void spawn(Runnable task) {
    Thread thread = new Thread(task, "fault-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static void reset(Socket socket) {
    try {
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException ignored) {
      // It is gone already.
    }
  }

  @Override
  public void close() throws IOException {
    synchronized (gate) {
      closed = true;
      gate.notifyAll();
    }
    server.close();
    links.forEach(Link::reset);
  }

  private static final class Link {
    private final int kind;
    private final Socket agent;
    private final Socket onward;
    private final AtomicInteger ended = new AtomicInteger();

    private Link(int kind, Socket agent, Socket onward) {
      this.kind = kind;
      this.agent = agent;
      this.onward = onward;
    }

    private void reset() {
      FaultProxy.reset(agent);
      FaultProxy.reset(onward);
    }
  }
}
