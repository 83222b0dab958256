package io.c2crelay.agent.data;

import java.util.concurrent.TimeUnit;

/**
 * How many data connections may be in handshake at a time. Handshakes that take longer the more of
 * them there are keep both ends' event loops busy, and everybody waits; where the time is the
 * network's, more of them cost nothing. So the limit, when reached, grows while handshakes take
 * about as long as the shortest of late, and shrinks when they take several times as long, as TCP
 * Vegas does with its window. On one loop.
 */
public final class HandshakeLimit {
  static final int MIN = 4;

  /** The limit of an agent process: shared by its services. */
  public static final int MAX = 64;

  private static final double SHRINK = 0.95;

  /** A network path may become longer: the shortest handshake counts for at most two of these. */
  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final int max;
  private double limit;

  /** Until the first slow handshake the limit doubles in each round, as in TCP's slow start. */
  private boolean slowStart = true;

  private long shortestNanos = Long.MAX_VALUE;
  private long shortestBeforeNanos = Long.MAX_VALUE;
  private long windowEndNanos;

  /**
   * @param max the agent's share of {@link #MAX} for this service; at least {@link #MIN} is used
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
   * @param inHandshake how many there were at its end, itself included
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
