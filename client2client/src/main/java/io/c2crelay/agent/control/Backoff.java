package io.c2crelay.agent.control;

import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;

/**
 * The delay before the next attempt to attach: full jitter (a random fraction of a limit that
 * doubles) from 0.5 s, at most 1.5 s in the first 10 minutes of an outage and 30 s after that.
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
  private boolean inOutage;

  /**
   * @param random uniform in [0, 1)
   */
  Backoff(DoubleSupplier random) {
    this.random = random;
  }

  long nextDelayNanos(long nowNanos) {
    if (!inOutage) {
      inOutage = true;
      outageSinceNanos = nowNanos;
    }
    long cap =
        nowNanos - outageSinceNanos < SHORT_OUTAGE_NANOS
            ? SHORT_OUTAGE_MAX_NANOS
            : LONG_OUTAGE_MAX_NANOS;
    long delay = (long) (random.getAsDouble() * Math.min(limitNanos, cap));
    limitNanos = Math.min(limitNanos * 2, LONG_OUTAGE_MAX_NANOS);
    return delay;
  }

  /** Reports how long the last connection was attached; 60 s or more end the outage. */
  void attachedFor(long nanos) {
    if (nanos >= STABLE_NANOS) {
      inOutage = false;
      limitNanos = FIRST_NANOS;
    }
  }
}
