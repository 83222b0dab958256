package io.c2crelay.relay.auth;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.SharedKey;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The keys of a service's agents, in the order of their file. Safe on any thread. */
public final class KeyRing {
  /** One of the keys. */
  public static final class Entry {
    private final String name;
    private final CompletableFuture<MutualAuth> mutualAuth;

    Entry(String name, CompletableFuture<MutualAuth> mutualAuth) {
      this.name = name;
      this.mutualAuth = mutualAuth;
    }

    /** The name of the key for the log: untrusted text, empty if it has none. */
    public String name() {
      return name;
    }

    /** The proofs of a key that was found. */
    MutualAuth mutualAuth() {
      return requireNonNull(mutualAuth.getNow(null), "not derived");
    }

    private boolean isSameKey(Entry other) {
      MutualAuth own = mutualAuth.getNow(null);
      @Nullable MutualAuth others = other.mutualAuth.getNow(null);
      return this == other || (own != null && others != null && own.isSameKey(others));
    }
  }

  /** What a replacement has changed. */
  public static final class Change {
    private final int keys;
    private final int added;
    private final int removed;

    private Change(List<Entry> before, List<Entry> after) {
      keys = after.size();
      added = missing(after, before);
      removed = missing(before, after);
    }

    private static int missing(List<Entry> keys, List<Entry> from) {
      return (int) keys.stream().filter(key -> !isIn(from, key)).count();
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

  /** A ring of at least one key; begins to derive them. */
  public static KeyRing of(List<SharedKey> keys) {
    return new KeyRing(derive(keys));
  }

  private static List<Entry> derive(List<SharedKey> keys) {
    List<Entry> entries = new ArrayList<>(keys.size());
    keys.forEach(key -> entries.add(new Entry(key.name(), key.deriveKey())));
    return entries;
  }

  /** Replaces all keys as soon as the new ones are derived. */
  public CompletableFuture<Change> replace(List<SharedKey> keys) {
    List<Entry> after = derive(keys);
    return CompletableFuture.allOf(
            after.stream().map(entry -> entry.mutualAuth).toArray(CompletableFuture<?>[]::new))
        .thenApply(
            derived -> {
              List<Entry> before = entries;
              entries = after;
              return new Change(before, after);
            });
  }

  /** Finds the first key that a test accepts; keys that are not derived yet are waited for. */
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

  /** Whether a derived key is in the ring, perhaps under another name. */
  public boolean contains(Entry entry) {
    return isIn(entries, entry);
  }

  private static boolean isIn(List<Entry> entries, Entry entry) {
    return entries.stream().anyMatch(entry::isSameKey);
  }
}
