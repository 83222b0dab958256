package io.c2crelay.relay.auth;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.address.TokenBuckets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Rate-limits failed authentication by network: a burst of five, then one per 10 s (GCRA). An agent
 * process that authenticated within the last 24 h is exempt, even in a throttled network, for the
 * services of its key and while the key is valid. Bounded in size; thread-safe.
 */
final class AuthThrottle {
  private static final int BURST = 5;
  private static final long REFILL_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long EXEMPT_NANOS = TimeUnit.HOURS.toNanos(24);
  private static final int MAX_INSTANCES = 10_000;

  /** Each failure takes a token if there is one, including failures of exempt instances. */
  private final TokenBuckets failures = TokenBuckets.of(BURST, REFILL_NANOS);

  private final Map<InstanceId, Exemption> exemptions =
      new LinkedHashMap<InstanceId, Exemption>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<InstanceId, Exemption> eldest) {
          return size() > MAX_INSTANCES;
        }
      };

  private static final class Exemption {
    final KeyRing.Entry key;
    final long sinceNanos;

    Exemption(KeyRing.Entry key, long sinceNanos) {
      this.key = key;
      this.sinceNanos = sinceNanos;
    }
  }

  /**
   * Whether a proof from this instance and network may be verified.
   *
   * @param keys the keys of the service
   */
  synchronized boolean allows(
      ClientNetwork network, InstanceId instance, KeyRing keys, long nowNanos) {
    Exemption exemption = exemptions.get(instance);
    if (exemption != null
        && nowNanos - exemption.sinceNanos < EXEMPT_NANOS
        && keys.contains(exemption.key)) {
      return true;
    }
    return failures.hasToken(network, nowNanos);
  }

  void recordFailure(ClientNetwork network, long nowNanos) {
    failures.take(network, nowNanos);
  }

  /** The number of networks that are throttled. */
  int throttled(long nowNanos) {
    return failures.empty(nowNanos);
  }

  synchronized void recordSuccess(InstanceId instance, KeyRing.Entry key, long nowNanos) {
    exemptions.put(instance, new Exemption(key, nowNanos));
  }
}
