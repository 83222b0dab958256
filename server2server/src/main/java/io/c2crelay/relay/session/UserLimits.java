package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientNetwork;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Limits the users of all services together, and chooses who gives way when there are too many. On
 * the dispatchers' loop.
 *
 * <p>Two rules keep one client network, or one of several services, from shutting out the others.
 * It may hold nine times what is free, so that alone it leaves a tenth (a dynamic threshold, as
 * {@link io.c2crelay.common.bridge.BufferBudget}'s is). And when nothing is free, a user of the
 * network or service that holds most gives way to a newcomer of one that holds less: a silent one,
 * or one that waits, but never one whose session carries bytes.
 */
final class UserLimits {
  private static final int SHARES = 9;

  /** What a newcomer has to expect. */
  static final class Verdict {
    static final Verdict ADMITTED = new Verdict(true, null);
    static final Verdict REFUSED = new Verdict(false, null);

    final boolean admitted;

    /** The user that has to give way, if any. */
    final @Nullable User evicted;

    private Verdict(boolean admitted, @Nullable User evicted) {
      this.admitted = admitted;
      this.evicted = evicted;
    }

    /** Admits a user in place of another one; refuses it if there is none. */
    static Verdict evicting(@Nullable User evicted) {
      return evicted == null ? REFUSED : new Verdict(true, evicted);
    }
  }

  /** The users of one network or one service. */
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

    /** The user that gives way first, if one may. */
    @Nullable User first() {
      Set<User> candidates = silent.isEmpty() ? waiting : silent;
      return candidates.isEmpty() ? null : candidates.iterator().next();
    }

    void update(User user) {
      change(silent, user, !user.confirmed);
      change(waiting, user, user.state == User.State.QUEUED);
    }

    void remove(User user) {
      users--;
      silent.remove(user);
      waiting.remove(user);
    }

    private static void change(Set<User> set, User user, boolean member) {
      if (member) {
        set.add(user);
      } else {
        set.remove(user);
      }
    }
  }

  private static final Holding NOTHING = new Holding();

  private final int maxUsers;
  private final int maxSilent;
  private final Map<ClientNetwork, Holding> networks = new HashMap<>();
  private final Map<ServiceName, Holding> services = new HashMap<>();
  private final Holding all = new Holding();
  private final Set<User> users = new LinkedHashSet<>();
  private int serviceCount = 1;

  UserLimits(int maxUsers, int maxSilent) {
    this.maxUsers = maxUsers;
    this.maxSilent = maxSilent;
  }

  /** Sets the number of services; one alone may hold everything. */
  void services(int count) {
    serviceCount = count;
  }

  /** Whether a user, who is not counted yet, may come in. */
  Verdict judge(User user) {
    Verdict verdict = Verdict.ADMITTED;
    if (!user.confirmed) {
      verdict = room(user, maxSilent, Holding::silent);
    }
    return verdict.admitted && verdict.evicted == null
        ? room(user, maxUsers, Holding::users)
        : verdict;
  }

  private Verdict room(User user, int max, ToIntFunction<Holding> measure) {
    int free = max - measure.applyAsInt(all);
    int ofNetwork = measure.applyAsInt(networks.getOrDefault(user.client().network(), NOTHING));
    int ofService = measure.applyAsInt(services.getOrDefault(user.service(), NOTHING));
    if (free > 0) {
      boolean fair = ofNetwork < SHARES * free && (serviceCount == 1 || ofService < SHARES * free);
      return fair ? Verdict.ADMITTED : Verdict.REFUSED;
    }
    User giver = giver(networks.values(), ofNetwork, measure);
    if (giver == null && serviceCount > 1) {
      giver = giver(services.values(), ofService, measure);
    }
    return Verdict.evicting(giver);
  }

  /** One more must not have more than those that it takes from. */
  private static @Nullable User giver(
      Collection<Holding> holdings, int held, ToIntFunction<Holding> measure) {
    Holding largest = null;
    for (Holding holding : holdings) {
      boolean larger = largest == null || measure.applyAsInt(holding) > measure.applyAsInt(largest);
      if (larger && holding.first() != null) {
        largest = holding;
      }
    }
    return largest == null || measure.applyAsInt(largest) < held + 2 ? null : largest.first();
  }

  /** Counts a user in, or what has become of one that is: its place or whether it is confirmed. */
  void update(User user) {
    Holding network = networks.computeIfAbsent(user.client().network(), n -> new Holding());
    Holding service = services.computeIfAbsent(user.service(), n -> new Holding());
    if (users.add(user)) {
      network.users++;
      service.users++;
      all.users++;
    }
    network.update(user);
    service.update(user);
    all.update(user);
  }

  /** Counts a user out. */
  void remove(User user) {
    if (!users.remove(user)) {
      return;
    }
    remove(user, networks, user.client().network());
    remove(user, services, user.service());
    all.remove(user);
  }

  private static <K> void remove(User user, Map<K, Holding> holdings, K key) {
    Holding holding = requireNonNull(holdings.get(key));
    holding.remove(user);
    if (holding.users == 0) {
      holdings.remove(key);
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
