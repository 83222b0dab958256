package io.c2crelay.relay.auth;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.relay.address.ClientNetwork;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Rate-limits failed authentication by network: a burst of five, then one per 10 s. An agent
 * process that authenticated within the last 24 h is exempt, also in a throttled network. Bounded
 * in size; thread-safe.
 */
final class AuthThrottle {
  private static final int BURST = 5;
  private static final long REFILL_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long EXEMPT_NANOS = TimeUnit.HOURS.toNanos(24);
  private static final int MAX_NETWORKS = 10_000;
  private static final int MAX_INSTANCES = 10_000;

  /**
   * When a network's token bucket is full again. Each failure takes a token if there is one; those
   * of exempt instances count too.
   */
  private final Map<ClientNetwork, Long> fullAtNanos = bounded(MAX_NETWORKS);

  private final Map<InstanceId, Long> authenticatedAtNanos = bounded(MAX_INSTANCES);

  /** Whether a proof from this instance and network may be verified. */
  synchronized boolean allows(ClientNetwork network, InstanceId instance, long nowNanos) {
    Long authenticatedAt = authenticatedAtNanos.get(instance);
    if (authenticatedAt != null && nowNanos - authenticatedAt < EXEMPT_NANOS) {
      return true;
    }
    Long fullAt = fullAtNanos.get(network);
    return fullAt == null || fullAt - nowNanos <= (BURST - 1) * REFILL_NANOS;
  }

  synchronized void recordFailure(ClientNetwork network, long nowNanos) {
    Long fullAt = fullAtNanos.get(network);
    long untilFull = fullAt == null ? 0 : Math.max(0, fullAt - nowNanos);
    fullAtNanos.put(network, nowNanos + Math.min(untilFull + REFILL_NANOS, BURST * REFILL_NANOS));
  }

  synchronized void recordSuccess(InstanceId instance, long nowNanos) {
    authenticatedAtNanos.put(instance, nowNanos);
  }

  synchronized void forgetInstances() {
    authenticatedAtNanos.clear();
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
