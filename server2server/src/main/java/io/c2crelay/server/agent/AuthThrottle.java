package io.c2crelay.server.agent;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.server.session.Source;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Slows down guesses of the key: five wrong proofs from a source at once, then one in 10 s. An
 * agent process that has authenticated within a day is never slowed, whoever guesses behind its
 * address. Bounded; safe on any thread.
 */
final class AuthThrottle {
  private static final int BURST = 5;
  private static final long REFILL_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long KNOWN_NANOS = TimeUnit.HOURS.toNanos(24);
  private static final int MAX_SOURCES = 10_000;
  private static final int MAX_INSTANCES = 10_000;

  /**
   * When a source's debt of wrong proofs will be paid: each wrong one adds {@link #REFILL_NANOS},
   * up to a whole burst, as those of a known instance are counted but never stopped.
   */
  private final Map<Source, Long> paidAtNanos = bounded(MAX_SOURCES);

  private final Map<InstanceId, Long> knownAtNanos = bounded(MAX_INSTANCES);

  /** Whether a proof from there may be looked at. */
  synchronized boolean allows(Source source, InstanceId instance, long nowNanos) {
    Long known = knownAtNanos.get(instance);
    if (known != null && nowNanos - known < KNOWN_NANOS) {
      return true;
    }
    Long paidAt = paidAtNanos.get(source);
    return paidAt == null || paidAt - nowNanos <= (BURST - 1) * REFILL_NANOS;
  }

  /** A wrong proof came from there. */
  synchronized void wrong(Source source, long nowNanos) {
    Long paidAt = paidAtNanos.get(source);
    long debt = paidAt == null ? 0 : Math.max(0, paidAt - nowNanos);
    paidAtNanos.put(source, nowNanos + Math.min(debt + REFILL_NANOS, BURST * REFILL_NANOS));
  }

  /** An agent process authenticated. */
  synchronized void right(InstanceId instance, long nowNanos) {
    knownAtNanos.put(instance, nowNanos);
  }

  private static <K> Map<K, Long> bounded(int max) {
    return new LinkedHashMap<K, Long>(16, 0.75f, true) {
      private static final long serialVersionUID = 1L;

      @Override
      protected boolean removeEldestEntry(Map.Entry<K, Long> eldest) {
        return size() > max;
      }
    };
  }
}
