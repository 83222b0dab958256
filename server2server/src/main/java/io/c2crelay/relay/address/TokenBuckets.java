package io.c2crelay.relay.address;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A token bucket for each client network: a burst of tokens, refilled one by one (GCRA). Bounded in
 * size; thread-safe.
 */
public final class TokenBuckets {
  private static final int MAX_NETWORKS = 10_000;

  private final int burst;
  private final long refillNanos;

  /** When a network's bucket is full again. */
  private final Map<ClientNetwork, Long> fullAtNanos =
      new LinkedHashMap<ClientNetwork, Long>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ClientNetwork, Long> eldest) {
          return size() > MAX_NETWORKS;
        }
      };

  private TokenBuckets(int burst, long refillNanos) {
    this.burst = burst;
    this.refillNanos = refillNanos;
  }

  /** Creates buckets of {@code burst} tokens that regain one token per {@code refillNanos}. */
  public static TokenBuckets of(int burst, long refillNanos) {
    return new TokenBuckets(burst, refillNanos);
  }

  /** Whether a network has a token. */
  public synchronized boolean hasToken(ClientNetwork network, long nowNanos) {
    return untilFull(network, nowNanos) <= (burst - 1) * refillNanos;
  }

  /**
   * Takes a token from a network's bucket.
   *
   * @return whether there was one
   */
  public synchronized boolean take(ClientNetwork network, long nowNanos) {
    boolean hasToken = hasToken(network, nowNanos);
    if (hasToken) {
      fullAtNanos.put(network, nowNanos + untilFull(network, nowNanos) + refillNanos);
    }
    return hasToken;
  }

  /** The number of networks without a token. */
  public synchronized int empty(long nowNanos) {
    return (int)
        fullAtNanos.values().stream()
            .filter(fullAt -> fullAt - nowNanos > (burst - 1) * refillNanos)
            .count();
  }

  private long untilFull(ClientNetwork network, long nowNanos) {
    Long fullAt = fullAtNanos.get(network);
    return fullAt == null ? 0 : Math.max(0, fullAt - nowNanos);
  }
}
