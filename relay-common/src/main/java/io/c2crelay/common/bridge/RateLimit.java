package io.c2crelay.common.bridge;

import java.util.concurrent.TimeUnit;

/**
 * Limits bytes per second, of one direction of a session or of many together (GCRA). A direction
 * may read {@link #TURN_BYTES} at a time; when the limit is reached it waits for its next turn, so
 * that all get about the same and those that read little hardly wait. Safe on any thread.
 */
public final class RateLimit {
  /** A direction that has read as many bytes waits for its next turn. */
  static final int TURN_BYTES = 16 * 1024;

  /** So much may come at once: what a tenth of a second allows, but at least a turn. */
  private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** Bytes that were there before a session began are not held back: others do not pay for all. */
  private static final long MAX_DEBT_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final double nanosPerByte;
  private final long turnNanos;
  private final long burstNanos;

  /** When all that was read is paid off. */
  private long paidAtNanos;

  /** The turns before this time are taken. */
  private long nextTurnNanos;

  private RateLimit(long bytesPerSecond, long nowNanos) {
    nanosPerByte = (double) TimeUnit.SECONDS.toNanos(1) / bytesPerSecond;
    turnNanos = (long) (TURN_BYTES * nanosPerByte);
    burstNanos = Math.max(BURST_NANOS, turnNanos);
    paidAtNanos = nowNanos;
    nextTurnNanos = nowNanos;
  }

  /** A limit that has not been used yet. */
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
