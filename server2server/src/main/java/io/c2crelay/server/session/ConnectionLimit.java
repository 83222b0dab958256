package io.c2crelay.server.session;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How many connections of a kind there may be: in all, and from one source. When full, the oldest
 * of the source that holds most makes room, so a flood from one place shuts out only itself. Safe
 * on any thread.
 *
 * @param <C> a connection, compared by identity
 */
public final class ConnectionLimit<C> {
  private final int max;
  private final int maxPerSource;
  private final Map<Source, Set<C>> bySource = new HashMap<>();
  private int size;

  private ConnectionLimit(int max, int maxPerSource) {
    this.max = max;
    this.maxPerSource = maxPerSource;
  }

  /** A limit in all and for each source. */
  public static <C> ConnectionLimit<C> of(int max, int maxPerSource) {
    return new ConnectionLimit<>(max, maxPerSource);
  }

  /**
   * Counts one in, and out the one that must go to make room.
   *
   * @return the one that must go, or null
   */
  public synchronized @Nullable C enter(Source source, C connection) {
    Set<C> own = bySource.computeIfAbsent(source, s -> new LinkedHashSet<>());
    own.add(connection);
    size++;
    if (own.size() <= maxPerSource && size <= max) {
      return null;
    }
    Source largest = own.size() > maxPerSource ? source : largest();
    C oldest = requireNonNull(bySource.get(largest)).iterator().next();
    leave(largest, oldest);
    return oldest;
  }

  private Source largest() {
    Map.Entry<Source, Set<C>> largest = null;
    for (Map.Entry<Source, Set<C>> entry : bySource.entrySet()) {
      if (largest == null || entry.getValue().size() > largest.getValue().size()) {
        largest = entry;
      }
    }
    return requireNonNull(largest).getKey();
  }

  /** Counts one out; it may be gone already. */
  public synchronized void leave(Source source, C connection) {
    Set<C> own = bySource.get(source);
    if (own != null && own.remove(connection)) {
      size--;
      if (own.isEmpty()) {
        bySource.remove(source);
      }
    }
  }

  /** How many there are. */
  public synchronized int size() {
    return size;
  }

  /** A copy of all. */
  public synchronized List<C> all() {
    List<C> all = new ArrayList<>(size);
    bySource.values().forEach(all::addAll);
    return all;
  }
}
