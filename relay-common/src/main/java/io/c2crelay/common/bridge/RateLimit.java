package io.c2crelay.common.bridge;

import java.util.concurrent.TimeUnit;

/**
 * Limits the bytes per second of one direction of a session, or of many together (GCRA). A
 * direction may read {@link #TURN_BYTES} at a time. At the limit it waits for its next turn, so
 * that all directions get about the same rate and slow ones hardly wait. Safe on any thread.
 */
public final class RateLimit {
  /** The bytes that a direction may read before it waits for its next turn. */
  static final int TURN_BYTES = 16 * 1024;

  /** The allowed burst: the bytes of 0.1 s, but at least one turn. */
  private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /**
   * Bounds the debt from bytes that arrived before a session began: they are not delayed, and other
   * directions do not pay for all of them.
   */
  private static final long MAX_DEBT_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final double nanosPerByte;
  private final long turnNanos;
  private final long burstNanos;

  /** The time at which the bytes read so far are paid off. */
  private long paidAtNanos;

  /** Turns before this time are taken. */
  private long nextTurnNanos;

  private RateLimit(long bytesPerSecond, long nowNanos) {
    nanosPerByte = (double) TimeUnit.SECONDS.toNanos(1) / bytesPerSecond;
    turnNanos = (long) (TURN_BYTES * nanosPerByte);
    burstNanos = Math.max(BURST_NANOS, turnNanos);
    paidAtNanos = nowNanos;
    nextTurnNanos = nowNanos;
  }

  /** Creates an unused limit. */
  public static RateLimit of(long bytesPerSecond, long nowNanos) {
    return new RateLimit(bytesPerSecond, nowNanos);
  }

  /** Accounts for bytes that were read. */
  synchronized void took(int bytes, long nowNanos) {
    long price = (long) (bytes * nanosPerByte);
    long paidAt = latest(paidAtNanos, nowNanos) + price;
    long max = nowNanos + Math.max(MAX_DEBT_NANOS, price) + burstNanos;
    paidAtNanos = paidAt - max > 0 ? max : paidAt;
  }

  /**
   * Takes the next turn to read.
   *
   * @return how long to wait for it; 0 if there is no need to wait
   */
  synchronized long takeTurn(long nowNanos) {
    long turn = latest(paidAtNanos - burstNanos, nextTurnNanos);
    if (turn - nowNanos <= 0) {
      return 0;
    }
    nextTurnNanos = turn + turnNanos;
    return turn - nowNanos;
  }

  private static long latest(long one, long other) {
    return one - other > 0 ? one : other;
  }
}
