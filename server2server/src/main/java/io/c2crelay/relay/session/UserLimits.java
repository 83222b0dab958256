package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.relay.address.ClientNetwork;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * How many users there may be, counted by network, and who gives way when there are too many. On
 * the dispatcher's loop.
 *
 * <p>Two rules keep one network from shutting out the others. A network may hold nine times what is
 * free, so that alone it leaves a tenth (a dynamic threshold, as {@link
 * io.c2crelay.common.bridge.BufferBudget}'s is). And when nothing is free, a user of the network
 * that holds most gives way to a newcomer from a network that holds less: a silent one, or one that
 * waits, but never one whose session carries bytes.
 */
final class UserLimits {
  /** Users that may wait while no agent is attached: in all, and from one network. */
  private static final int MAX_WAITING_WITHOUT_AGENT = 256;

  private static final int MAX_WAITING_WITHOUT_AGENT_PER_NETWORK = 64;

  private static final int SHARES = 9;

  /** What a newcomer has to expect. */
  static final class Verdict {
    private static final Verdict ADMITTED = new Verdict(true, null);
    private static final Verdict REFUSED = new Verdict(false, null);

    final boolean admitted;

    /** The user that has to give way, if any. */
    final @Nullable User evicted;

    private Verdict(boolean admitted, @Nullable User evicted) {
      this.admitted = admitted;
      this.evicted = evicted;
    }
  }

  /** The users of one network. */
  private static final class Holding {
    int users;
    final Set<User> silent = new LinkedHashSet<>();
    final Set<User> waiting = new LinkedHashSet<>();

    int users() {
      return users;
    }

    int silent() {
      return silent.size();
    }

    int waiting() {
      return waiting.size();
    }

    @Nullable User longestWaiting() {
      return waiting.isEmpty() ? null : waiting.iterator().next();
    }

    @Nullable User mayGiveWay() {
      return silent.isEmpty() ? longestWaiting() : silent.iterator().next();
    }
  }

  private static final Holding NOTHING = new Holding();

  private final int maxUsers;
  private final int maxSilent;
  private final Map<ClientNetwork, Holding> holdings = new HashMap<>();
  private final Set<User> users = new LinkedHashSet<>();
  private int silent;
  private int waiting;

  UserLimits(int maxUsers, int maxSilent) {
    this.maxUsers = maxUsers;
    this.maxSilent = maxSilent;
  }

  /** Whether a user, who is not counted yet, may come in. */
  Verdict judge(User user, boolean agentAttached) {
    Holding own = holdings.getOrDefault(user.network(), NOTHING);
    if (!agentAttached && own.waiting() >= MAX_WAITING_WITHOUT_AGENT_PER_NETWORK) {
      return Verdict.REFUSED;
    }
    Verdict verdict = Verdict.ADMITTED;
    if (!user.confirmed) {
      verdict = room(own, maxSilent - silent, Holding::silent, Holding::mayGiveWay);
    }
    if (verdict == Verdict.ADMITTED) {
      verdict = room(own, maxUsers - users.size(), Holding::users, Holding::mayGiveWay);
    }
    if (verdict == Verdict.ADMITTED && !agentAttached && waiting >= MAX_WAITING_WITHOUT_AGENT) {
      verdict = room(own, 0, Holding::waiting, Holding::longestWaiting);
    }
    return verdict;
  }

  private Verdict room(
      Holding own,
      int free,
      ToIntFunction<Holding> measure,
      Function<Holding, @Nullable User> giver) {
    int held = measure.applyAsInt(own);
    if (free > 0) {
      return held < SHARES * free ? Verdict.ADMITTED : Verdict.REFUSED;
    }
    Holding largest = null;
    for (Holding holding : holdings.values()) {
      boolean larger = largest == null || measure.applyAsInt(holding) > measure.applyAsInt(largest);
      if (larger && giver.apply(holding) != null) {
        largest = holding;
      }
    }
    // one more would not have less than those that it takes from
    return largest == null || measure.applyAsInt(largest) < held + 2
        ? Verdict.REFUSED
        : new Verdict(true, giver.apply(largest));
  }

  /** Counts a user in, or what has become of one that is: its place or whether it is confirmed. */
  void update(User user) {
    Holding holding = holdings.computeIfAbsent(user.network(), s -> new Holding());
    if (users.add(user)) {
      holding.users++;
    }
    silent += change(holding.silent, user, !user.confirmed);
    waiting += change(holding.waiting, user, user.state == User.State.QUEUED);
  }

  private static int change(Set<User> set, User user, boolean member) {
    if (member) {
      return set.add(user) ? 1 : 0;
    }
    return set.remove(user) ? -1 : 0;
  }

  /** Counts a user out. */
  void remove(User user) {
    if (!users.remove(user)) {
      return;
    }
    Holding holding = requireNonNull(holdings.get(user.network()));
    silent += change(holding.silent, user, false);
    waiting += change(holding.waiting, user, false);
    if (--holding.users == 0) {
      holdings.remove(user.network());
    }
  }

  /** Users that are counted. */
  int size() {
    return users.size();
  }

  /** A copy of all users. */
  List<User> all() {
    return new ArrayList<>(users);
  }
}
