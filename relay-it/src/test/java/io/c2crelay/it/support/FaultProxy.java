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
 * A TCP proxy between agent and relay that injects faults: it resets connections by kind, or stalls
 * all traffic as a cut cable does.
 */
public final class FaultProxy implements AutoCloseable {

  private final ServerSocket server;
  private final InetSocketAddress relay;
  private final List<Link> links = new CopyOnWriteArrayList<>();
  private final Object lock = new Object();
  private boolean held; // guarded by lock
  private boolean closed; // guarded by lock

  private FaultProxy(ServerSocket server, InetSocketAddress relay) {
    this.server = server;
    this.relay = relay;
  }

  public static FaultProxy to(RelayProcess relay) {
    try {
      FaultProxy proxy =
          new FaultProxy(
              new ServerSocket(0, 100, InetAddress.getLoopbackAddress()), relay.address());
      Async.start("fault-proxy", proxy::acceptAll);
      return proxy;
    } catch (IOException e) {
      throw new AssertionError("cannot listen", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  /** Stalls all traffic: neither bytes nor FIN or RST are forwarded. */
  public void hold() {
    synchronized (lock) {
      held = true;
    }
  }

  /** Forwards stalled traffic and resumes. */
  public void release() {
    synchronized (lock) {
      held = false;
      lock.notifyAll();
    }
  }

  /** Resets both ends of every connection of this kind; returns their number. */
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
        Async.start("fault-proxy", () -> serve(agent));
      }
    } catch (IOException ignored) {
      // The proxy was closed.
    }
  }

  private void serve(Socket agent) {
    try {
      byte[] preamble = agent.getInputStream().readNBytes(16);
      awaitRelease();
      Socket upstream = new Socket();
      upstream.setTcpNoDelay(true);
      agent.setTcpNoDelay(true);
      upstream.connect(relay, 5_000);
      upstream.getOutputStream().write(preamble);
      Link link = new Link(preamble.length < 16 ? -1 : preamble[10], agent, upstream);
      links.add(link);
      Async.start("fault-proxy", () -> pump(link, agent, upstream));
      Async.start("fault-proxy", () -> pump(link, upstream, agent));
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
        awaitRelease();
        out.write(buffer, 0, n);
      }
      awaitRelease();
      to.shutdownOutput();
      if (link.ended.incrementAndGet() == 2) {
        links.remove(link);
        from.close();
        to.close();
      }
    } catch (IOException e) {
      awaitRelease();
      links.remove(link);
      link.reset();
    }
  }

  private void awaitRelease() {
    synchronized (lock) {
      while (held && !closed) {
        try {
          lock.wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }
  }

  private static void reset(Socket socket) {
    try {
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException ignored) {
      // Already closed.
    }
  }

  @Override
  public void close() throws IOException {
    synchronized (lock) {
      closed = true;
      lock.notifyAll();
    }
    server.close();
    links.forEach(Link::reset);
  }

  private static final class Link {
    private final int kind;
    private final Socket agent;
    private final Socket upstream;
    private final AtomicInteger ended = new AtomicInteger();

    private Link(int kind, Socket agent, Socket upstream) {
      this.kind = kind;
      this.agent = agent;
      this.upstream = upstream;
    }

    private void reset() {
      FaultProxy.reset(agent);
      FaultProxy.reset(upstream);
    }
  }
}
