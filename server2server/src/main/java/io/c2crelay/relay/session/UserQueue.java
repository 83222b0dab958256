package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.relay.address.ClientNetwork;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Users that wait for a data connection. Those whose data connection failed them come first; then
 * the networks take turns, so that no one keeps the others waiting, and of each the users that have
 * sent something come before silent ones, each by arrival. On the dispatcher's loop.
 */
final class UserQueue {
  /** Users that may wait while no agent is attached: in all, and from one network. */
  private static final int MAX_WITHOUT_AGENT = 256;

  private static final int MAX_WITHOUT_AGENT_PER_NETWORK = 64;

  /** The users of one network that wait. */
  private static final class Turn {
    final Set<QueuedUser> confirmed = new LinkedHashSet<>();
    final Set<QueuedUser> silent = new LinkedHashSet<>();

    Set<QueuedUser> placeOf(QueuedUser user) {
      return user.isConfirmed() ? confirmed : silent;
    }

    boolean isEmpty() {
      return confirmed.isEmpty() && silent.isEmpty();
    }

    int size() {
      return confirmed.size() + silent.size();
    }

    Stream<QueuedUser> all() {
      return Stream.concat(confirmed.stream(), silent.stream());
    }

    QueuedUser next() {
      return (confirmed.isEmpty() ? silent : confirmed).iterator().next();
    }

    /** The user that gives way to another network's. */
    QueuedUser last() {
      return (silent.isEmpty() ? confirmed : silent).iterator().next();
    }
  }

  private final Set<QueuedUser> first = new LinkedHashSet<>();

  /** In the order in which their turns come. */
  private final Map<ClientNetwork, Turn> turns = new LinkedHashMap<>();

  private int size;

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** Whether a user may wait while no agent is attached. */
  UserLimits.Verdict judgeWithoutAgent(QueuedUser user) {
    Turn own = turns.get(user.network());
    int ownSize = own == null ? 0 : own.size();
    Turn largest = largestTurn();
    if (ownSize >= MAX_WITHOUT_AGENT_PER_NETWORK) {
      return UserLimits.Verdict.REFUSED;
    }
    if (size < MAX_WITHOUT_AGENT) {
      return UserLimits.Verdict.ADMITTED;
    }
    boolean fair = largest != null && largest.size() >= ownSize + 2;
    return UserLimits.Verdict.evicting(fair ? requireNonNull(largest).last() : null);
  }

  private @Nullable Turn largestTurn() {
    Turn largest = null;
    for (Turn turn : turns.values()) {
      largest = largest == null || turn.size() > largest.size() ? turn : largest;
    }
    return largest;
  }

  void add(QueuedUser user) {
    boolean added =
        user.goesFirst()
            ? first.add(user)
            : turns.computeIfAbsent(user.network(), s -> new Turn()).placeOf(user).add(user);
    size += added ? 1 : 0;
  }

  void remove(QueuedUser user) {
    boolean removed = first.remove(user);
    Turn turn = turns.get(user.network());
    if (!removed && turn != null && turn.placeOf(user).remove(user)) {
      removed = true;
      if (turn.isEmpty()) {
        turns.remove(user.network());
      }
    }
    size -= removed ? 1 : 0;
  }

  /** As {@link #remove}, of a user that is served: the next turn is another network's. */
  void served(QueuedUser user) {
    remove(user);
    Turn turn = turns.remove(user.network());
    if (turn != null) {
      turns.put(user.network(), turn);
    }
  }

  /** A copy of the users that go first: each may be excluded from an agent. */
  List<QueuedUser> first() {
    return first.isEmpty() ? Collections.emptyList() : new ArrayList<>(first);
  }

  /** The user to be served next, after those that go first. */
  @Nullable QueuedUser head() {
    Iterator<Turn> next = turns.values().iterator();
    return next.hasNext() ? next.next().next() : null;
  }

  /** All users, while the queue does not change. */
  Stream<QueuedUser> all() {
    return Stream.concat(first.stream(), turns.values().stream().flatMap(Turn::all));
  }
}
