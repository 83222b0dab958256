package io.c2crelay.server.session;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Users that wait for a data connection. Those whose data connection failed them come first; then
 * the sources take turns, so that no one keeps the others waiting, and of each the users that have
 * sent something come before silent ones, each by arrival. On the broker's loop.
 */
final class UserQueue {
  /** Suspicious users (see {@link User#suspicious}) cause at most so many dials together. */
  private static final int MAX_DIALS_FOR_SUSPICIOUS = 4;

  /** The users of one source that wait. */
  private static final class Turn {
    final Set<User> confirmed = new LinkedHashSet<>();
    final Set<User> silent = new LinkedHashSet<>();

    Set<User> placeOf(User user) {
      return user.confirmed ? confirmed : silent;
    }

    boolean isEmpty() {
      return confirmed.isEmpty() && silent.isEmpty();
    }

    User next() {
      return (confirmed.isEmpty() ? silent : confirmed).iterator().next();
    }
  }

  private final Set<User> first = new LinkedHashSet<>();

  /** In the order in which their turns come. */
  private final Map<Source, Turn> turns = new LinkedHashMap<>();

  private int size;
  private int suspicious;

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** How many dials the users in the queue are worth. */
  int dialsWanted() {
    return size - Math.max(0, suspicious - MAX_DIALS_FOR_SUSPICIOUS);
  }

  void add(User user) {
    boolean added =
        user.goesFirst
            ? first.add(user)
            : turns.computeIfAbsent(user.source(), s -> new Turn()).placeOf(user).add(user);
    count(user, added ? 1 : 0);
  }

  void remove(User user) {
    boolean removed = first.remove(user);
    Turn turn = turns.get(user.source());
    if (!removed && turn != null && turn.placeOf(user).remove(user)) {
      removed = true;
      if (turn.isEmpty()) {
        turns.remove(user.source());
      }
    }
    count(user, removed ? -1 : 0);
  }

  private void count(User user, int change) {
    size += change;
    if (user.suspicious && !user.confirmed) {
      suspicious += change;
    }
  }

  /** As {@link #remove}, of a user that is served: the next turn is another source's. */
  void served(User user) {
    remove(user);
    Turn turn = turns.remove(user.source());
    if (turn != null) {
      turns.put(user.source(), turn);
    }
  }

  /** A copy of the users that go first: each may be barred from an agent. */
  List<User> first() {
    return first.isEmpty() ? Collections.emptyList() : new ArrayList<>(first);
  }

  /** The user to be served next, after those that go first. */
  @Nullable User head() {
    Iterator<Turn> next = turns.values().iterator();
    return next.hasNext() ? next.next().next() : null;
  }

  /** A copy of all users. */
  List<User> all() {
    List<User> users = new ArrayList<>(first);
    for (Turn turn : turns.values()) {
      users.addAll(turn.confirmed);
      users.addAll(turn.silent);
    }
    return users;
  }
}
