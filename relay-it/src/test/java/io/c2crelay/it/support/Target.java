package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A TCP server on loopback with one thread per connection. Its behaviour can be changed for later
 * connections.
 */
public final class Target implements AutoCloseable {

  private static final int BACKLOG = 1_024;

  private final ServerSocket server;
  private final AtomicInteger accepted = new AtomicInteger();
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private final BlockingQueue<TcpEnd> pending = new LinkedBlockingQueue<>();
  private volatile Behaviour behaviour;

  private Target(ServerSocket server, Behaviour behaviour) {
    this.server = server;
    this.behaviour = behaviour;
  }

  public static Target start(Behaviour behaviour) {
    return start(0, behaviour);
  }

  public static Target start(int port, Behaviour behaviour) {
    return start(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), behaviour);
  }

  /** Listens on another local address than loopback; port 0 selects a free port. */
  public static Target start(InetSocketAddress address, Behaviour behaviour) {
    try {
      Target target =
          new Target(new ServerSocket(address.getPort(), BACKLOG, address.getAddress()), behaviour);
      Async.start("target-accept", target::acceptAll);
      return target;
    } catch (IOException e) {
      throw new AssertionError("cannot listen", e);
    }
  }

  /** Queues each connection for the test to take with {@link #next()}. */
  public static Target manual() {
    Target target = start(Behaviour.ECHO);
    target.setManual();
    return target;
  }

  /** Applies to connections accepted from now on. */
  public Target setBehaviour(Behaviour next) {
    behaviour = next;
    return this;
  }

  public Target setManual() {
    pending.clear();
    behaviour = pending::add;
    return this;
  }

  /** The next connection of a manual target; fails if there is none within 10 s. */
  public TcpEnd next() {
    try {
      TcpEnd connection = pending.poll(10, TimeUnit.SECONDS);
      if (connection == null) {
        throw new AssertionError("no connection to the target within 10 s");
      }
      return connection.timeout(10_000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  /** The number of connections accepted so far. */
  public int accepted() {
    return accepted.get();
  }

  private void acceptAll() {
    while (!server.isClosed()) {
      Socket socket;
      try {
        socket = server.accept();
      } catch (IOException closed) {
        return;
      }
      accepted.incrementAndGet();
      sockets.add(socket);
      Async.start("target-connection", () -> serve(socket));
    }
  }

  private void serve(Socket socket) {
    try {
      behaviour.serve(TcpEnd.of(socket).timeout((int) Duration.ofMinutes(2).toMillis()));
    } catch (IOException | AssertionError ignored) {
      // The peer closed; the test checks the outcome at its own end.
    }
    if (socket.isClosed()) {
      sockets.remove(socket);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    for (Socket socket : sockets) {
      socket.close();
    }
  }
}
