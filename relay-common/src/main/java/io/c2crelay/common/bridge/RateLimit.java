package io.c2crelay.common.bridge;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Limits bytes per second, of one direction of a session or of many together (GCRA): after a read
 * that was too much, all wait until it is paid off. Safe on any thread.
 */
public final class RateLimit {
  /** So much may come at once: what a tenth of a second allows, but at least a small read. */
  private static final long MIN_BURST_BYTES = 16 * 1024;

  private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final double nanosPerByte;
  private final long burstNanos;

  /** When all that was read is paid off. */
  private final AtomicLong paidAtNanos;

  private RateLimit(long bytesPerSecond, long nowNanos) {
    nanosPerByte = (double) TimeUnit.SECONDS.toNanos(1) / bytesPerSecond;
    burstNanos = Math.max(BURST_NANOS, (long) (MIN_BURST_BYTES * nanosPerByte));
    paidAtNanos = new AtomicLong(nowNanos);
  }

  /** A limit that has not been used yet. */
  public static RateLimit of(long bytesPerSecond, long nowNanos) {
    return new RateLimit(bytesPerSecond, nowNanos);
  }

  /** Accounts for bytes that were read. */
  void took(int bytes, long nowNanos) {
    long price = (long) (bytes * nanosPerByte);
    paidAtNanos.updateAndGet(paidAt -> (paidAt - nowNanos > 0 ? paidAt : nowNanos) + price);
  }

  /** How long to wait before the next read; none if it is not positive. */
  long waitNanos(long nowNanos) {
    return paidAtNanos.get() - nowNanos - burstNanos;
  }
}
