package io.c2crelay.server.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.splice.BufferBudget;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pairs users with data connections, and is the only place that does. Its state lives on one event
 * loop: every public method may be called on any thread and takes effect on that loop, in the order
 * of the calls of each thread.
 *
 * <p>Tokens are counted, not tied to users: any data connection that becomes ready serves the head
 * of the queue ({@link Dials} sees to it that there are enough).
 */
public final class SessionBroker {
  private static final Logger log = LoggerFactory.getLogger(SessionBroker.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "dial.failed", 10);

  /** How often a queue that nothing serves is looked at: an agent may have been heard again. */
  private static final long TICK_MILLIS = 1000;

  private final EventExecutor loop;
  private final BrokerSettings settings;
  private final BufferBudget budget;
  private final AgentAddresses addresses;
  private final Promise<Void> drained;

  private final Map<AgentLink, Agent> agents = new HashMap<>();
  private final Map<InstanceId, Agent.Load> loads = new HashMap<>();
  private final Map<DataConnection, Agent> warm = new HashMap<>();
  private final UserQueue queue = new UserQueue();
  private final Dials dials;
  private final UserLimits users;
  private long lastSessionId;
  private boolean draining;
  private boolean ticking;
  private boolean unavailable;
  private long unavailableAt;

  /**
   * A broker on an event loop.
   *
   * @param random makes tokens
   */
  public SessionBroker(
      EventExecutor loop,
      BrokerSettings settings,
      BufferBudget budget,
      AgentAddresses addresses,
      SecureRandom random) {
    this.loop = requireNonNull(loop, "loop");
    this.settings = requireNonNull(settings, "settings");
    this.budget = requireNonNull(budget, "budget");
    this.addresses = requireNonNull(addresses, "addresses");
    drained = loop.newPromise();
    users = new UserLimits(settings.maxSessions(), settings.maxTentative());
    dials = new Dials(loop, settings.pool(), addresses, random, agents.values(), queue);
  }

  BufferBudget budget() {
    return budget;
  }

  /** What there is of everything, for the log. On the broker's loop. */
  public String counts() {
    return String.format(
        Locale.ROOT,
        "agents=%d warm=%d tokens=%d waiting=%d sessions=%d buffered=%d",
        agents.size(),
        warm.size(),
        dials.size(),
        queue.size(),
        users.size() - queue.size(),
        budget.usedBytes());
  }

  // --- users ---

  void enter(User user) {
    loop.execute(() -> entered(user));
  }

  private void entered(User user) {
    if (draining || budget.isExhausted()) {
      refuse(user, draining ? ReasonCode.DRAINING : ReasonCode.LIMIT);
      return;
    }
    UserLimits.Verdict verdict = users.judge(user, !agents.isEmpty());
    if (!verdict.admitted) {
      refuse(user, ReasonCode.LIMIT);
      return;
    }
    if (verdict.evicted != null) {
      verdict.evicted.abort(ReasonCode.LIMIT);
      leave(verdict.evicted);
    }
    if (!user.confirmed) {
      user.suspicious =
          addresses.isAttached(user.source()) || addresses.isExpected(user.source(), now());
    }
    await(user);
  }

  private static void refuse(User user, ReasonCode reason) {
    user.place = User.Place.GONE;
    user.reset(reason);
  }

  private void giveUp(User user) {
    if (user.place == User.Place.WAITING) {
      user.reset(ReasonCode.NO_AGENT);
      leave(user);
    }
  }

  void confirm(User user) {
    loop.execute(() -> confirmed(user));
  }

  private void confirmed(User user) {
    if (user.confirmed || user.place == User.Place.GONE) {
      return;
    }
    boolean waits = user.place == User.Place.WAITING;
    if (waits) {
      queue.remove(user);
    }
    user.confirmed = true;
    users.update(user);
    settleReplacement(user);
    if (waits) {
      queue.add(user);
    }
    dials.replenish();
  }

  /** The user's session ended, or the user left without one; any number of times. */
  void left(User user, ReasonCode reason) {
    loop.execute(
        () -> {
          if (user.place == User.Place.GONE) {
            return;
          }
          if (reason == ReasonCode.RECLASSIFIED) {
            misread(user.source());
          }
          if (user.agent != null && reason.isOfDiallingTheTarget()) {
            user.agent.failedASession(now());
          }
          leave(user);
        });
  }

  /**
   * A user was reset, or closed, before it had a session: it waits no more. One that was given to a
   * data connection may have sent bytes, which its session delivers.
   */
  void gone(User user) {
    loop.execute(
        () -> {
          user.gone = true;
          if (user.place != User.Place.SERVED) {
            user.discard();
          }
          if (user.place == User.Place.WAITING) {
            leave(user);
          }
        });
  }

  private void leave(User user) {
    unseat(user);
    user.place = User.Place.GONE;
    users.remove(user);
    dials.replenish();
    endDrainIfDone();
  }

  /** Takes a user out of the queue, or off its agent's books. */
  private void unseat(User user) {
    if (user.place == User.Place.WAITING) {
      queue.remove(user);
      stopWaiting(user);
    } else if (user.place == User.Place.SERVED) {
      Agent agent = requireNonNull(user.agent);
      agent.load.sessions--;
      forgetLoadIfIdle(agent);
      settleReplacement(user);
    }
    user.place = User.Place.BETWEEN;
  }

  private static void stopWaiting(User user) {
    if (user.waitTimer != null) {
      user.waitTimer.cancel(false);
      user.waitTimer = null;
    }
  }

  private static void settleReplacement(User user) {
    if (user.owesReplacement && user.agent != null) {
      user.owesReplacement = false;
      user.agent.unreplaced--;
    }
  }

  /** A connection from there was taken for a user's and was an agent's. */
  private void misread(Source source) {
    for (Agent agent : agents.values()) {
      if (agent.link.source().equals(source)) {
        dials.delayRefill(agent);
      }
    }
  }

  // --- agents ---

  /** An agent attached. On the broker's loop. */
  public void attached(AgentLink link) {
    agents.put(
        link, new Agent(link, loads.computeIfAbsent(link.instance(), i -> new Agent.Load())));
    if (draining) {
      link.goAway(ReasonCode.DRAINING);
    }
    logAvailability();
    dials.replenish();
  }

  /**
   * An agent's control connection ended: its tokens and warm connections go with it, its sessions
   * stay. On the loop.
   */
  public void detached(AgentLink link) {
    Agent agent = agents.remove(link);
    if (agent == null) {
      return;
    }
    retire(agent, ReasonCode.AGENT_LOST);
    forgetLoadIfIdle(agent);
  }

  /** Says when the last agent leaves, and when one is back. */
  private void logAvailability() {
    boolean available = agents.values().stream().anyMatch(agent -> !agent.leaving);
    if (available != unavailable || draining) {
      return;
    }
    unavailable = !available;
    if (available) {
      log.info(
          "service.available unavailable_ms={}",
          TimeUnit.NANOSECONDS.toMillis(now() - unavailableAt));
    } else {
      unavailableAt = now();
      log.warn("service.unavailable note=\"no agent is attached: users cannot be served\"");
    }
  }

  private void retire(Agent agent, ReasonCode reason) {
    agent.leaving = true;
    dials.forget(agent);
    closeWarm(agent, reason);
    logAvailability();
    dials.replenish();
  }

  private void forgetLoadIfIdle(Agent agent) {
    boolean attached = agents.values().stream().anyMatch(other -> other.load == agent.load);
    if (agent.load.sessions == 0 && !attached) {
      loads.remove(agent.link.instance(), agent.load);
    }
  }

  /** An agent says that it takes no more sessions. */
  public void leaving(AgentLink link) {
    loop.execute(
        () -> {
          Agent agent = agents.get(link);
          if (agent != null) {
            retire(agent, ReasonCode.DRAINING);
          }
        });
  }

  /** An agent says that a dial failed. */
  public void dialFailed(AgentLink link, Token token, ReasonCode reason) {
    loop.execute(
        () -> {
          if (dials.failed(link, token) && THROTTLE.allows()) {
            log.info("dial.failed agent={} reason={}", link.name(), reason);
          }
        });
  }

  private void closeWarm(Agent agent, ReasonCode reason) {
    for (DataConnection connection : agent.warm) {
      warm.remove(connection);
      connection.close(reason);
    }
    agent.warm.clear();
  }

  // --- data connections ---

  /** A data connection shows a token. */
  void redeem(Token token, DataConnection connection) {
    loop.execute(
        () -> {
          Dials.Issued used = dials.redeem(token);
          if (used == null) {
            connection.close(ReasonCode.TOKEN);
            return;
          }
          if (draining || used.agent.leaving) {
            connection.close(ReasonCode.DRAINING);
            return;
          }
          connection.admit(used.ack, used.agent.link.name());
          park(connection, used.agent);
        });
  }

  private void park(DataConnection connection, Agent agent) {
    agent.warm.add(connection);
    warm.put(connection, agent);
    match();
    if (agent.warm.size() > settings.pool() && warm.containsKey(connection)) {
      forget(connection);
      connection.close(ReasonCode.LIMIT); // its user has left meanwhile
    }
  }

  private @Nullable Agent forget(DataConnection connection) {
    Agent agent = warm.remove(connection);
    if (agent != null) {
      agent.warm.remove(connection);
    }
    return agent;
  }

  /** A data connection without a session closed. */
  void closed(DataConnection connection) {
    loop.execute(
        () -> {
          Agent agent = forget(connection);
          if (agent != null) {
            dials.delayRefill(agent);
          }
        });
  }

  /**
   * A user left before the data connection it was given to could serve it: the connection is as
   * warm as before.
   */
  void returned(DataConnection connection, User user) {
    loop.execute(
        () -> {
          Agent agent = user.agent;
          if (user.place != User.Place.GONE) {
            leave(user);
          }
          if (agent != null && !agent.leaving && !draining) {
            park(connection, agent);
          } else {
            connection.close(ReasonCode.AGENT_LOST);
          }
        });
  }

  /** The warm connection a user was given to had closed meanwhile: the user goes first now. */
  void unserved(User user) {
    loop.execute(
        () -> {
          if (user.place != User.Place.SERVED) {
            return;
          }
          unseat(user);
          if (user.gone) {
            user.discard();
            leave(user);
          } else if (draining) {
            user.reset(ReasonCode.DRAINING);
            leave(user);
          } else {
            requeue(user);
          }
        });
  }

  /**
   * The user's data connection failed before a byte of the user's went into it: another agent may
   * have the user.
   */
  void failed(User user, ReasonCode reason) {
    loop.execute(
        () -> {
          if (user.place != User.Place.SERVED) {
            return;
          }
          Agent failedBy = requireNonNull(user.agent);
          unseat(user);
          if (reason == ReasonCode.START_TIMEOUT) {
            failedBy.warm.forEach(DataConnection::ping);
          }
          failedBy.failedASession(now());
          user.failedBy.add(failedBy);
          if (!user.gone && agents.values().stream().anyMatch(agent -> canTake(agent, user))) {
            requeue(user);
          } else {
            user.reset(reason);
            leave(user);
          }
        });
  }

  private void requeue(User user) {
    user.place = User.Place.WAITING;
    user.goesFirst = true;
    await(user);
  }

  private void await(User user) {
    user.waitTimer =
        loop.schedule(() -> giveUp(user), settings.waitLimit().toNanos(), TimeUnit.NANOSECONDS);
    queue.add(user);
    users.update(user);
    match();
  }

  private boolean canTake(Agent agent, User user) {
    return !draining && !user.failedBy.contains(agent) && agent.takesSessions(now());
  }

  // --- pairing ---

  private void match() {
    for (User user : queue.first()) {
      seatIfPossible(user);
    }
    User head = queue.head();
    while (head != null && seatIfPossible(head)) {
      head = queue.head();
    }
    dials.replenish();
    if (!queue.isEmpty()) {
      tickLater();
    }
  }

  private boolean seatIfPossible(User user) {
    Agent agent = chooseWarm(user);
    if (agent != null) {
      seat(user, agent);
    }
    return agent != null;
  }

  private @Nullable Agent chooseWarm(User user) {
    Agent best = null;
    for (Agent agent : agents.values()) {
      if (canTake(agent, user)
          && agent.freshest(now()) != null
          && (best == null || agent.isBetterThan(best, now()))) {
        best = agent;
      }
    }
    return best;
  }

  private void seat(User user, Agent agent) {
    DataConnection connection = requireNonNull(agent.freshest(now()));
    forget(connection);
    queue.served(user);
    stopWaiting(user);
    user.place = User.Place.SERVED;
    users.update(user);
    user.agent = agent;
    agent.load.sessions++;
    if (user.suspicious && !user.confirmed) {
      user.owesReplacement = true;
      agent.unreplaced++;
    }
    connection.serve(user, ++lastSessionId);
  }

  private void tickLater() {
    if (!ticking) {
      ticking = true;
      loop.schedule(
          () -> {
            ticking = false;
            match();
          },
          TICK_MILLIS,
          TimeUnit.MILLISECONDS);
    }
  }

  // --- the end ---

  /**
   * Takes no more users and asks the agents for nothing more; sessions go on.
   *
   * @return completes on the broker's loop when no session is left
   */
  public Future<Void> drain() {
    loop.execute(
        () -> {
          draining = true;
          dials.stop();
          for (User user : queue.all()) {
            user.reset(ReasonCode.DRAINING);
            leave(user);
          }
          for (Agent agent : agents.values()) {
            closeWarm(agent, ReasonCode.DRAINING);
            agent.link.goAway(ReasonCode.DRAINING);
          }
          endDrainIfDone();
        });
    return drained;
  }

  /** Aborts every session. */
  public void abortAll(ReasonCode reason) {
    loop.execute(() -> users.all().forEach(user -> user.abort(reason)));
  }

  private void endDrainIfDone() {
    if (draining && users.size() == 0) {
      drained.trySuccess(null);
    }
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
