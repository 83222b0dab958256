package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A TCP server on the loopback with a thread for each connection. */
public abstract class Target implements AutoCloseable {

  private static final int BACKLOG = 1_024;

  private final ServerSocket server;
  private final AtomicInteger accepted = new AtomicInteger();
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  Target() {
    try {
      server = new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new AssertionError("no port for a target", e);
    }
  }

  /** Starts to accept; called once, when the subclass is built. */
  final void accept() {
    spawn("accept", this::acceptAll);
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
      spawn("connection", () -> serve(socket));
    }
  }

  private void serve(Socket socket) {
    try {
      serve(TcpEnd.of(socket).timeout(60_000));
    } catch (IOException | AssertionError ended) {
      // The other end went away: what it means is for the test to judge at its own end.
    }
  }

  private void spawn(String what, Runnable task) {
    Thread thread = new Thread(task, getClass().getSimpleName() + "-" + what);
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Serves one connection on a thread of its own; closes it when it is done, unless the connection
   * goes on elsewhere.
   */
  abstract void serve(TcpEnd connection) throws IOException;

  public final int port() {
    return server.getLocalPort();
  }

  /** How many connections it has ever accepted. */
  public final int accepted() {
    return accepted.get();
  }

  @Override
  public final void close() throws IOException {
    server.close();
    for (Socket socket : open) {
      socket.close();
    }
  }
}
