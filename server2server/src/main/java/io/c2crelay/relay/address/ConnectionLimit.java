package io.c2crelay.relay.address;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Limits the connections of a kind, in total and per network. At the limit, a new connection evicts
 * the oldest one of the network that has the most, so a flood from one network shuts out only that
 * network. Safe on any thread.
 *
 * @param <C> a connection, compared by identity
 */
public final class ConnectionLimit<C> {
  private int max;
  private int maxPerNetwork;
  private final Map<ClientNetwork, Set<C>> byNetwork = new HashMap<>();
  private int size;

  private ConnectionLimit(int max, int maxPerNetwork) {
    this.max = max;
    this.maxPerNetwork = maxPerNetwork;
  }

  /** Creates a limit in total and per network. */
  public static <C> ConnectionLimit<C> of(int max, int maxPerNetwork) {
    return new ConnectionLimit<>(max, maxPerNetwork);
  }

  /** Changes the limits, for connections from now on. */
  public synchronized void change(int newMax, int newMaxPerNetwork) {
    max = newMax;
    maxPerNetwork = newMaxPerNetwork;
  }

  /**
   * Adds a connection, and evicts one if a limit is exceeded.
   *
   * @return the evicted connection, which the caller must close; null if there is none
   */
  public synchronized @Nullable C enter(ClientNetwork network, C connection) {
    Set<C> own = byNetwork.computeIfAbsent(network, s -> new LinkedHashSet<>());
    own.add(connection);
    size++;
    if (own.size() <= maxPerNetwork && size <= max) {
      return null;
    }
    ClientNetwork largest = own.size() > maxPerNetwork ? network : largest();
    C oldest = requireNonNull(byNetwork.get(largest)).iterator().next();
    leave(largest, oldest);
    return oldest;
  }

  private ClientNetwork largest() {
    Map.Entry<ClientNetwork, Set<C>> largest = null;
    for (Map.Entry<ClientNetwork, Set<C>> entry : byNetwork.entrySet()) {
      if (largest == null || entry.getValue().size() > largest.getValue().size()) {
        largest = entry;
      }
    }
    return requireNonNull(largest).getKey();
  }

  /** Removes a connection, if it is still present. */
  public synchronized void leave(ClientNetwork network, C connection) {
    Set<C> own = byNetwork.get(network);
    if (own != null && own.remove(connection)) {
      size--;
      if (own.isEmpty()) {
        byNetwork.remove(network);
      }
    }
  }

  /** The number of connections. */
  public synchronized int size() {
    return size;
  }

  /** A copy of all connections. */
  public synchronized List<C> all() {
    List<C> all = new ArrayList<>(size);
    byNetwork.values().forEach(all::addAll);
    return all;
  }
}
