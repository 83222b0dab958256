package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.ClientNetwork;
import io.netty.util.concurrent.EventExecutor;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The agents attached to a service, their loads and their warm connections. Chooses the agent that
 * serves a user. Runs on the dispatcher's loop.
 */
final class AttachedAgents {
  /** Warm connections of an agent that are kept beyond the pool, for some time. */
  private static final int MAX_SPARE = 256;

  private static final long SPARE_SECONDS = 5;
  private static final long SPARE_NANOS = TimeUnit.SECONDS.toNanos(SPARE_SECONDS);

  private final Dispatchers shared;
  private final EventExecutor loop;
  private final Map<AgentLink, AttachedAgent> byLink = new HashMap<>();
  private final Map<InstanceId, AttachedAgent.Load> loads = new HashMap<>();
  private final Map<DataConnection, AttachedAgent> warm = new HashMap<>();

  AttachedAgents(Dispatchers shared) {
    this.shared = requireNonNull(shared, "shared");
    loop = shared.loop();
  }

  /** A live view of the attached agents. */
  Collection<AttachedAgent> all() {
    return Collections.unmodifiableCollection(byLink.values());
  }

  List<AttachedAgent> in(ClientNetwork network) {
    return byLink.values().stream()
        .filter(agent -> agent.link.network().equals(network))
        .collect(Collectors.toList());
  }

  @Nullable AttachedAgent get(AgentLink link) {
    return byLink.get(link);
  }

  int size() {
    return byLink.size();
  }

  boolean isEmpty() {
    return byLink.isEmpty();
  }

  /** Whether an agent is attached that does not drain. */
  boolean isAvailable() {
    return byLink.values().stream().anyMatch(agent -> !agent.draining);
  }

  void add(AgentLink link) {
    AttachedAgent.Load load = loads.computeIfAbsent(link.instance(), i -> new AttachedAgent.Load());
    byLink.put(link, new AttachedAgent(link, load));
  }

  /** Removes an agent; its load stays while it has sessions. */
  void remove(AttachedAgent agent) {
    byLink.remove(agent.link);
    forgetLoadIfIdle(agent);
  }

  private void forgetLoadIfIdle(AttachedAgent agent) {
    boolean attached = byLink.values().stream().anyMatch(other -> other.load == agent.load);
    if (agent.load.sessions == 0 && !attached) {
      loads.remove(agent.link.instance(), agent.load);
    }
  }

  void sessionStarted(AttachedAgent agent) {
    agent.load.sessions++;
  }

  void sessionEnded(AttachedAgent agent) {
    agent.load.sessions--;
    forgetLoadIfIdle(agent);
  }

  // --- warm connections ---

  int warm() {
    return warm.size();
  }

  void addWarm(DataConnection connection, AttachedAgent agent) {
    agent.warm.add(connection);
    warm.put(connection, agent);
  }

  /** Returns the agent of the connection; null if the connection was not warm. */
  @Nullable AttachedAgent removeWarm(DataConnection connection) {
    AttachedAgent agent = warm.remove(connection);
    if (agent != null) {
      agent.warm.remove(connection);
    }
    return agent;
  }

  /** Removes and returns the agent's warm connection that was active last. */
  DataConnection takeWarm(AttachedAgent agent) {
    DataConnection connection = requireNonNull(agent.mostRecentlyActive(now()));
    removeWarm(connection);
    agent.taken(now());
    return connection;
  }

  /**
   * Closes the agent's warm connections beyond the pool: those that are not used for 5 s, and at
   * once those that are too many.
   */
  void trim(AttachedAgent agent) {
    int pool = shared.settings().pool();
    int max = pool == 0 ? 0 : pool + MAX_SPARE;
    while (agent.warm.size() > max) {
      closeSpare(agent.warm.get(0));
    }
    if (agent.warm.size() > pool && !agent.trimming) {
      agent.trimming = true;
      loop.schedule(() -> trimUnused(agent), SPARE_SECONDS, TimeUnit.SECONDS);
    }
  }

  private void trimUnused(AttachedAgent agent) {
    agent.trimming = false;
    int spare = Math.max(0, agent.warm.size() - shared.settings().pool());
    agent.warm.stream()
        .filter(connection -> now() - connection.lastHeardNanos() >= SPARE_NANOS)
        .limit(spare)
        .collect(Collectors.toList())
        .forEach(this::closeSpare);
    trim(agent);
  }

  private void closeSpare(DataConnection connection) {
    removeWarm(connection);
    connection.close(ReasonCode.LIMIT);
  }

  void closeWarm(AttachedAgent agent, ReasonCode reason) {
    for (DataConnection connection : agent.warm) {
      warm.remove(connection);
      connection.close(reason);
    }
    agent.warm.clear();
  }

  // --- the agent for a user ---

  /** Whether an agent may serve the user once it has a data connection. */
  boolean canServe(QueuedUser user) {
    return byLink.values().stream().anyMatch(agent -> canServe(agent, user));
  }

  private boolean canServe(AttachedAgent agent, QueuedUser user) {
    return !user.excludedAgents().contains(agent) && agent.takesSessions(now());
  }

  /** The best agent with a warm connection for the user; null if there is none. */
  @Nullable AttachedAgent choose(QueuedUser user) {
    AttachedAgent best = null;
    for (AttachedAgent agent : byLink.values()) {
      if (canServe(agent, user)
          && agent.mostRecentlyActive(now()) != null
          && (best == null || agent.isBetterThan(best, now()))) {
        best = agent;
      }
    }
    return best;
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
