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
 * A TCP server on the loopback with a thread for each connection; what it does there can change
 * between connections.
 */
public final class Target implements AutoCloseable {

  private static final int BACKLOG = 1_024;

  private final ServerSocket server;
  private final AtomicInteger accepted = new AtomicInteger();
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final BlockingQueue<TcpEnd> handed = new LinkedBlockingQueue<>();
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

  /** At another address of this machine than the loopback; port 0 is any. */
  public static Target start(InetSocketAddress address, Behaviour behaviour) {
    try {
      Target target =
          new Target(new ServerSocket(address.getPort(), BACKLOG, address.getAddress()), behaviour);
      spawn("target-accept", target::acceptAll);
      return target;
    } catch (IOException e) {
      throw new AssertionError("no port for a target", e);
    }
  }

  /** Hands each connection to the test, which then is the target: see {@link #next()}. */
  public static Target manual() {
    Target target = start(Behaviour.ECHO);
    target.becomeManual();
    return target;
  }

  /** For connections from now on. */
  public Target become(Behaviour next) {
    behaviour = next;
    return this;
  }

  public Target becomeManual() {
    handed.clear();
    behaviour = handed::add;
    return this;
  }

  /** The next connection of a manual target; fails if there is none in 10 s. */
  public TcpEnd next() {
    try {
      TcpEnd connection = handed.poll(10, TimeUnit.SECONDS);
      if (connection == null) {
        throw new AssertionError("the target was not dialled in 10 s");
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

  /** How many connections it has ever accepted. */
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
      open.add(socket);
      spawn("target-connection", () -> serve(socket));
    }
  }

  private void serve(Socket socket) {
    try {
      behaviour.serve(TcpEnd.of(socket).timeout((int) Duration.ofMinutes(2).toMillis()));
    } catch (IOException | AssertionError ended) {
      // The other end went away: what that means is for the test to judge at its own end.
    }
    if (socket.isClosed()) {
      open.remove(socket);
    }
  }

  private static void spawn(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    server.close();
    for (Socket socket : open) {
      socket.close();
    }
  }
}
