package io.c2crelay.client.control;

import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;

/**
 * How long to wait before the next attempt to attach: full jitter (a random part of a limit that
 * doubles) from 0.5 s, at most 1.5 s in the first 10 minutes of an outage and 30 s after that. Time
 * comes from outside.
 */
final class Backoff {
  private static final long FIRST_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  private static final long SHORT_OUTAGE_MAX_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);
  private static final long LONG_OUTAGE_MAX_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long SHORT_OUTAGE_NANOS = TimeUnit.MINUTES.toNanos(10);
  private static final long STABLE_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final DoubleSupplier random;
  private long limitNanos = FIRST_NANOS;
  private long outageSinceNanos;
  private boolean outage;

  /**
   * @param random uniform in [0, 1)
   */
  Backoff(DoubleSupplier random) {
    this.random = random;
  }

  /** The wait before the next attempt, in nanoseconds. */
  long nextNanos(long nowNanos) {
    if (!outage) {
      outage = true;
      outageSinceNanos = nowNanos;
    }
    long max =
        nowNanos - outageSinceNanos < SHORT_OUTAGE_NANOS
            ? SHORT_OUTAGE_MAX_NANOS
            : LONG_OUTAGE_MAX_NANOS;
    long wait = (long) (random.getAsDouble() * Math.min(limitNanos, max));
    limitNanos = Math.min(limitNanos * 2, LONG_OUTAGE_MAX_NANOS);
    return wait;
  }

  /** An attached connection ended after this long: a stable one makes the next outage a new one. */
  void attachedFor(long nanos) {
    if (nanos >= STABLE_NANOS) {
      outage = false;
      limitNanos = FIRST_NANOS;
    }
  }
}
