package io.c2crelay.it.support;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Hands each connection to the test, which then is the target. */
public final class ManualTarget extends Target {

  private final BlockingQueue<TcpEnd> connections = new LinkedBlockingQueue<>();

  private ManualTarget() {}

  public static ManualTarget start() {
    ManualTarget target = new ManualTarget();
    target.accept();
    return target;
  }

  /** The next connection; fails if there is none in 10 s. */
  public TcpEnd next() {
    try {
      TcpEnd connection = connections.poll(10, TimeUnit.SECONDS);
      if (connection == null) {
        throw new AssertionError("the target was not dialled in 10 s");
      }
      return connection.timeout(10_000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  @Override
  void serve(TcpEnd connection) {
    connections.add(connection);
  }
}
