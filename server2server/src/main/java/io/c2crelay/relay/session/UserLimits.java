package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientNetwork;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Limits the users of all services together, and chooses whom to evict at a limit. Runs on the
 * dispatchers' loop.
 *
 * <p>Two rules keep one client network, or one of several services, from shutting out the others.
 * First, each may hold at most nine times the free places, so that alone it leaves a tenth free (a
 * dynamic threshold, like that of {@link io.c2crelay.common.bridge.BufferBudget}). Second, when no
 * place is free, a newcomer evicts a user of a service that holds more than its own, or of its own
 * service if that user's network holds more than the newcomer's. Only silent or waiting users are
 * evicted, never one whose session carries bytes. A service never takes a place from a service that
 * holds less, however much of that one network holds.
 */
final class UserLimits {
  private static final int SHARES = 9;

  /** The decision on a newcomer. */
  static final class Verdict {
    static final Verdict ADMITTED = new Verdict(true, null);
    static final Verdict REFUSED = new Verdict(false, null);

    final boolean admitted;

    /** The user to evict, if any. */
    final @Nullable QueuedUser evicted;

    private Verdict(boolean admitted, @Nullable QueuedUser evicted) {
      this.admitted = admitted;
      this.evicted = evicted;
    }

    /** Admits a user in place of {@code evicted}; refuses it if that is null. */
    static Verdict evicting(@Nullable QueuedUser evicted) {
      return evicted == null ? REFUSED : new Verdict(true, evicted);
    }
  }

  /** The number of users of a network, of a service, or of all. */
  private static class Count {
    int users;
    int silent;

    int users() {
      return users;
    }

    int silent() {
      return silent;
    }
  }

  /** The users of one network at one service. */
  private static final class Cell extends Count {
    final ServiceName service;
    final ClientNetwork network;
    final Set<QueuedUser> silentUsers = new LinkedHashSet<>();
    final Set<QueuedUser> waitingUsers = new LinkedHashSet<>();

    Cell(ServiceName service, ClientNetwork network) {
      this.service = service;
      this.network = network;
    }

    /** The user to evict first, if any: a silent one, or else one that waits. */
    @Nullable QueuedUser giver() {
      Set<QueuedUser> candidates = silentUsers.isEmpty() ? waitingUsers : silentUsers;
      return candidates.isEmpty() ? null : candidates.iterator().next();
    }
  }

  private static final Count NOTHING = new Count();

  private int maxUsers;
  private int maxUsersPerNetwork;
  private int maxSilent;
  private final Map<ClientNetwork, Count> networks = new HashMap<>();
  private final Map<ServiceName, Count> services = new HashMap<>();
  private final Map<ServiceName, Map<ClientNetwork, Cell>> cells = new LinkedHashMap<>();
  private final Count all = new Count();
  private final Set<QueuedUser> users = new LinkedHashSet<>();
  private int serviceCount = 1;

  UserLimits(DispatcherSettings settings) {
    reload(settings);
  }

  /** Replaces the limits; users above a new limit stay. */
  final void reload(DispatcherSettings settings) {
    maxUsers = settings.maxSessions();
    maxUsersPerNetwork = settings.maxSessionsPerNetwork();
    maxSilent = settings.maxSilent();
  }

  /** Sets the number of services; a single service may hold all places. */
  void services(int count) {
    serviceCount = count;
  }

  /** Decides whether to admit a user that is not counted yet. */
  Verdict judge(QueuedUser user) {
    if (held(networks, user.network(), Count::users) >= maxUsersPerNetwork) {
      return Verdict.REFUSED;
    }
    Verdict verdict = Verdict.ADMITTED;
    if (!user.isConfirmed()) {
      verdict = room(user, maxSilent, Count::silent);
    }
    return verdict.admitted && verdict.evicted == null
        ? room(user, maxUsers, Count::users)
        : verdict;
  }

  private Verdict room(QueuedUser user, int max, ToIntFunction<Count> measure) {
    int free = max - measure.applyAsInt(all);
    if (free <= 0) {
      return Verdict.evicting(giver(user, measure));
    }
    boolean fair =
        held(networks, user.network(), measure) < SHARES * free
            && (serviceCount == 1 || held(services, user.service(), measure) < SHARES * free);
    return fair ? Verdict.ADMITTED : Verdict.REFUSED;
  }

  private static <K> int held(Map<K, Count> counts, K key, ToIntFunction<Count> measure) {
    return measure.applyAsInt(counts.getOrDefault(key, NOTHING));
  }

  /**
   * Chooses the user to evict. No network or service may hold more afterwards than that of the
   * evicted user held before.
   */
  private @Nullable QueuedUser giver(QueuedUser newcomer, ToIntFunction<Count> measure) {
    int ownOfNetwork = held(networks, newcomer.network(), measure);
    int ownOfService = held(services, newcomer.service(), measure);
    QueuedUser best = null;
    int bestOfService = 0;
    int bestOfNetwork = 0;
    for (Map<ClientNetwork, Cell> cellsOfService : cells.values()) {
      for (Cell cell : cellsOfService.values()) {
        QueuedUser giver = measure.applyAsInt(cell) == 0 ? null : cell.giver();
        int ofNetwork = held(networks, cell.network, measure);
        int ofService = held(services, cell.service, measure);
        boolean sameNetwork = cell.network.equals(newcomer.network());
        boolean fair =
            cell.service.equals(newcomer.service())
                ? ofNetwork >= ownOfNetwork + 2
                : ofService >= ownOfService + 2 && (sameNetwork || ofNetwork > ownOfNetwork);
        boolean larger =
            ofService > bestOfService || (ofService == bestOfService && ofNetwork > bestOfNetwork);
        if (giver != null && fair && larger) {
          best = giver;
          bestOfService = ofService;
          bestOfNetwork = ofNetwork;
        }
      }
    }
    return best;
  }

  /** Counts a new user, or a change of a counted one: its state, or whether it is confirmed. */
  void update(QueuedUser user) {
    ServiceName service = user.service();
    ClientNetwork network = user.network();
    Cell cell =
        cells
            .computeIfAbsent(service, s -> new LinkedHashMap<>())
            .computeIfAbsent(network, n -> new Cell(service, n));
    if (users.add(user)) {
      count(user, 1, 0);
    }
    change(cell.waitingUsers, user, user.isQueued());
    if (change(cell.silentUsers, user, !user.isConfirmed())) {
      count(user, 0, user.isConfirmed() ? -1 : 1);
    }
  }

  /** Removes a user from the counts. */
  void remove(QueuedUser user) {
    if (!users.remove(user)) {
      return;
    }
    Map<ClientNetwork, Cell> ofService = requireNonNull(cells.get(user.service()));
    Cell cell = requireNonNull(ofService.get(user.network()));
    cell.waitingUsers.remove(user);
    count(user, -1, cell.silentUsers.remove(user) ? -1 : 0);
    if (cell.users == 0) {
      ofService.remove(cell.network);
    }
  }

  private void count(QueuedUser user, int usersMore, int silentMore) {
    ServiceName service = user.service();
    ClientNetwork network = user.network();
    add(all, usersMore, silentMore);
    add(requireNonNull(requireNonNull(cells.get(service)).get(network)), usersMore, silentMore);
    add(services, service, usersMore, silentMore);
    add(networks, network, usersMore, silentMore);
  }

  private static <K> void add(Map<K, Count> counts, K key, int usersMore, int silentMore) {
    Count count = counts.computeIfAbsent(key, k -> new Count());
    add(count, usersMore, silentMore);
    if (count.users == 0) {
      counts.remove(key);
    }
  }

  private static void add(Count count, int usersMore, int silentMore) {
    count.users += usersMore;
    count.silent += silentMore;
  }

  /** Returns whether the set has changed. */
  private static boolean change(Set<QueuedUser> set, QueuedUser user, boolean member) {
    return member ? set.add(user) : set.remove(user);
  }

  /** The number of counted users. */
  int size() {
    return users.size();
  }

  /** A copy of all users. */
  List<QueuedUser> all() {
    return new ArrayList<>(users);
  }
}
