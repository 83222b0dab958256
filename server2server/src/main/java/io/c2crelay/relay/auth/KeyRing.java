package io.c2crelay.relay.auth;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.SharedKey;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;

/** The keys of a service's agents. Safe on any thread. */
public final class KeyRing {
  /** One of the keys. */
  public static final class Entry {
    private final SharedKey key;
    private final CompletableFuture<MutualAuth> mutualAuth;

    Entry(SharedKey key, CompletableFuture<MutualAuth> mutualAuth) {
      this.key = key;
      this.mutualAuth = mutualAuth;
    }

    /** The name of the key for the log: untrusted text, empty if it has none. */
    public String name() {
      return key.name();
    }

    /** Whether this is the same key, perhaps with another name. */
    public boolean isSameKey(Entry other) {
      return key.equals(other.key);
    }

    /** The proofs by this key, which must be derived already. */
    MutualAuth mutualAuth() {
      return requireNonNull(mutualAuth.getNow(null), "not derived");
    }
  }

  /** The result of a replacement. */
  public static final class Change {
    private final int keys;
    private final int added;
    private final int removed;

    private Change(int keys, int added, int removed) {
      this.keys = keys;
      this.added = added;
      this.removed = removed;
    }

    public int keys() {
      return keys;
    }

    public int added() {
      return added;
    }

    public int removed() {
      return removed;
    }
  }

  private volatile List<Entry> entries;

  KeyRing(List<Entry> entries) {
    this.entries = entries;
  }

  /** Creates a ring of at least one key and starts to derive the keys. */
  public static KeyRing of(List<SharedKey> keys) {
    KeyRing ring = new KeyRing(new ArrayList<>());
    ring.replace(keys);
    return ring;
  }

  /** Replaces all keys at once. New ones are valid as soon as they are derived. */
  public synchronized Change replace(List<SharedKey> keys) {
    Map<SharedKey, Entry> before = new LinkedHashMap<>();
    entries.forEach(entry -> before.put(entry.key, entry));
    Map<SharedKey, Entry> kept = new LinkedHashMap<>();
    Map<SharedKey, Entry> added = new LinkedHashMap<>();
    for (SharedKey key : keys) {
      Entry known = before.get(key);
      if (added.containsKey(key)) {
        key.erase();
      } else if (known == null || known.mutualAuth.isCompletedExceptionally()) {
        added.put(key, new Entry(key, key.deriveKey()));
      } else {
        key.erase();
        kept.put(key, new Entry(key, known.mutualAuth));
      }
    }
    List<Entry> after = new ArrayList<>(kept.values()); // first, because these are derived
    after.addAll(added.values());
    entries = after;
    return new Change(after.size(), added.size(), before.size() - kept.size());
  }

  /**
   * Finds the first key that a test accepts. The result waits for keys that are not derived yet.
   */
  CompletableFuture<Optional<Entry>> find(Predicate<MutualAuth> test) {
    return find(entries.iterator(), test);
  }

  private static CompletableFuture<Optional<Entry>> find(
      Iterator<Entry> entries, Predicate<MutualAuth> test) {
    if (!entries.hasNext()) {
      return CompletableFuture.completedFuture(Optional.empty());
    }
    Entry entry = entries.next();
    return entry.mutualAuth.thenCompose(
        mutualAuth ->
            test.test(mutualAuth)
                ? CompletableFuture.completedFuture(Optional.of(entry))
                : find(entries, test));
  }

  /** Whether a key is in the ring, perhaps with another name. */
  public boolean contains(Entry entry) {
    return entries.stream().anyMatch(entry::isSameKey);
  }
}
