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
 * The users that wait for a data connection. Users whose data connection failed come first. Then
 * the networks take turns, so that none starves the others. Within a network, confirmed users come
 * before silent ones, each in order of arrival. Runs on the dispatcher's loop.
 */
final class UserQueue {
  /** Maximum numbers of waiting users while no agent is attached: in total, and per network. */
  private static final int MAX_WITHOUT_AGENT = 256;

  private static final int MAX_WITHOUT_AGENT_PER_NETWORK = 64;

  /** The waiting users of one network. */
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

    /** The user to evict for another network's user. */
    QueuedUser last() {
      return (silent.isEmpty() ? confirmed : silent).iterator().next();
    }
  }

  private final Set<QueuedUser> first = new LinkedHashSet<>();

  /** In the order of their turns. */
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

  /** Removes a user that was served, and moves its network to the end of the turns. */
  void served(QueuedUser user) {
    remove(user);
    Turn turn = turns.remove(user.network());
    if (turn != null) {
      turns.put(user.network(), turn);
    }
  }

  /** A copy of the users that go first; each may exclude agents. */
  List<QueuedUser> first() {
    return first.isEmpty() ? Collections.emptyList() : new ArrayList<>(first);
  }

  /** The user to be served next, after those that go first. */
  @Nullable QueuedUser head() {
    Iterator<Turn> next = turns.values().iterator();
    return next.hasNext() ? next.next().next() : null;
  }

  /** All users. The queue must not change meanwhile. */
  Stream<QueuedUser> all() {
    return Stream.concat(first.stream(), turns.values().stream().flatMap(Turn::all));
  }
}
