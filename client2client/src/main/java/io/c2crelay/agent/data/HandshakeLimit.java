package io.c2crelay.agent.data;

import java.util.concurrent.TimeUnit;

/**
 * Limits the number of data connections in handshake at a time. Where CPU time is the bottleneck,
 * more concurrent handshakes make each of them slower. Where network latency dominates, more of
 * them cost nothing. Therefore the limit, when reached, grows while a handshake takes at most twice
 * the shortest recent time, and shrinks when one takes more than four times as long, like the
 * window of TCP Vegas. On one loop.
 */
public final class HandshakeLimit {
  static final int MIN = 4;

  /** The limit of an agent process, shared by its services and relays. */
  public static final int MAX = 64;

  private static final double SHRINK = 0.95;

  /** The shortest time is kept for one to two windows, since the latency of a path may grow. */
  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final int max;
  private double limit;

  /** Until the first slow handshake the limit doubles in each round, as in TCP's slow start. */
  private boolean slowStart = true;

  private long shortestNanos = Long.MAX_VALUE;
  private long shortestBeforeNanos = Long.MAX_VALUE;
  private long windowEndNanos;

  /**
   * @param max the share of {@link #MAX} for this service and relay; at least {@link #MIN} is used
   */
  HandshakeLimit(int max, long nowNanos) {
    this.max = Math.max(MIN, max);
    limit = Math.min(2 * MIN, this.max);
    windowEndNanos = nowNanos + WINDOW_NANOS;
  }

  boolean allows(int inHandshake) {
    return inHandshake < (int) limit;
  }

  /**
   * A handshake succeeded.
   *
   * @param inHandshake the number of handshakes in progress at its end, itself included
   */
  void succeeded(long tookNanos, int inHandshake, long nowNanos) {
    if (nowNanos - windowEndNanos >= 0) {
      windowEndNanos = nowNanos + WINDOW_NANOS;
      shortestBeforeNanos = shortestNanos;
      shortestNanos = Long.MAX_VALUE;
    }
    shortestNanos = Math.min(shortestNanos, tookNanos);
    long usual = Math.min(shortestNanos, shortestBeforeNanos);
    if (tookNanos / 2 <= usual) {
      limit = allows(inHandshake) ? limit : Math.min(max, limit + (slowStart ? 1 : 1 / limit));
    } else if (tookNanos / 4 > usual) {
      slowStart = false;
      limit = Math.max(MIN, limit * SHRINK);
    }
  }
}
