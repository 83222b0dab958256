package io.c2crelay.server.session;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Users that wait for a data connection, in the order they are served: those whose data connection
 * failed them, then users that have sent something, then silent ones; each by arrival. On the
 * broker's loop.
 */
final class UserQueue {
  /** Suspicious users (see {@link User#suspicious}) cause at most so many dials together. */
  private static final int MAX_DIALS_FOR_SUSPICIOUS = 4;

  private final Set<User> first = new LinkedHashSet<>();
  private final Set<User> confirmed = new LinkedHashSet<>();
  private final Set<User> silent = new LinkedHashSet<>();
  private final Map<Source, Integer> bySource = new HashMap<>();
  private int suspicious;

  int size() {
    return first.size() + confirmed.size() + silent.size();
  }

  boolean isEmpty() {
    return size() == 0;
  }

  int sizeOf(Source source) {
    return bySource.getOrDefault(source, 0);
  }

  /** How many dials the users in the queue are worth. */
  int dialsWanted() {
    return size() - Math.max(0, suspicious - MAX_DIALS_FOR_SUSPICIOUS);
  }

  void add(User user) {
    Set<User> queue = user.goesFirst ? first : user.confirmed ? confirmed : silent;
    queue.add(user);
    bySource.merge(user.source(), 1, Integer::sum);
    if (isSuspicious(user)) {
      suspicious++;
    }
  }

  void remove(User user) {
    if (!first.remove(user) && !confirmed.remove(user) && !silent.remove(user)) {
      return;
    }
    bySource.computeIfPresent(user.source(), (source, count) -> count == 1 ? null : count - 1);
    if (isSuspicious(user)) {
      suspicious--;
    }
  }

  /** A copy of the users that go first: each may be barred from an agent. */
  List<User> first() {
    return first.isEmpty() ? Collections.emptyList() : new ArrayList<>(first);
  }

  /** The user to be served next, after those that go first. */
  @Nullable User head() {
    Iterator<User> users = (confirmed.isEmpty() ? silent : confirmed).iterator();
    return users.hasNext() ? users.next() : null;
  }

  /** A copy of all users. */
  List<User> all() {
    List<User> users = new ArrayList<>(size());
    users.addAll(first);
    users.addAll(confirmed);
    users.addAll(silent);
    return users;
  }

  private static boolean isSuspicious(User user) {
    return user.suspicious && !user.confirmed;
  }
}
