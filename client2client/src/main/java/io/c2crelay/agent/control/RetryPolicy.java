package io.c2crelay.agent.control;

import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;

/** Computes the delay before the next attempt from the failure of the last one. */
final class RetryPolicy {
  private static final long MISCLASSIFIED_RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /** After more of them in a row the peer is probably not a relay, and attempts back off. */
  private static final int MAX_MISCLASSIFICATIONS = 5;

  private static final long VERSION_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);
  private static final int SLOW_RETRY_MIN_REFUSALS = 3;
  private static final int SLOW_RETRY_MAX_REFUSALS = 10;
  private static final long SLOW_RETRY_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long SLOWEST_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);

  /** Why an attempt failed, as far as the delay depends on it. */
  enum Failure {
    /** The relay closed the connection after the agent's proof. */
    REFUSED,
    /** The relay classified the agent as a user: its preamble was late. */
    MISCLASSIFIED,
    /** No common protocol version. */
    VERSION,
    /** Everything else. */
    OTHER
  }

  private final Backoff backoff;
  private int refusals;
  private int misclassifications;

  /**
   * Creates the policy of one control connection.
   *
   * @param random uniform in [0, 1)
   */
  RetryPolicy(DoubleSupplier random) {
    backoff = new Backoff(random);
  }

  /** Counts a refusal; returns how many there were in a row. */
  int refused() {
    return ++refusals;
  }

  /** Counts a misclassification; returns false if there were too many in a row. */
  boolean misclassified() {
    return ++misclassifications <= MAX_MISCLASSIFICATIONS;
  }

  /** The agent has attached. */
  void attached() {
    refusals = 0;
    misclassifications = 0;
  }

  /** The agent has detached after this time. */
  void detached(long attachedNanos) {
    backoff.attachedFor(attachedNanos);
  }

  long delayNanos(Failure failure, long nowNanos) {
    switch (failure) {
      case MISCLASSIFIED:
        return MISCLASSIFIED_RETRY_NANOS;
      case VERSION:
        return VERSION_RETRY_NANOS;
      case REFUSED:
        if (refusals > SLOW_RETRY_MAX_REFUSALS) {
          return SLOWEST_RETRY_NANOS;
        }
        return refusals < SLOW_RETRY_MIN_REFUSALS
            ? backoff.nextDelayNanos(nowNanos)
            : SLOW_RETRY_NANOS;
      default:
        return backoff.nextDelayNanos(nowNanos);
    }
  }
}
