package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.bridge.SessionRates;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Assigns the users of a service to data connections of its agents; no other class does. Its state
 * is confined to the event loop of all dispatchers. Every public method may be called on any thread
 * and takes effect on that loop, in the order of each thread's calls.
 *
 * <p>Tokens are counted, not tied to users: any data connection that becomes ready serves the head
 * of the queue ({@link DialScheduler} requests enough of them).
 */
public final class Dispatcher {
  /** The interval for retrying to serve the queue: a silent agent may have become active again. */
  private static final long TICK_MILLIS = 1000;

  private static final int MAX_USERS_SHOWN = 100;

  private final ServiceName service;
  private final Dispatchers shared;
  private final EventExecutor loop;
  private final UserLimits limits;
  private final RelayEvents events;

  private final AttachedAgents agents;
  private final Availability availability;
  private final UserQueue queue = new UserQueue();
  private final DialScheduler dials;
  private volatile ServiceRates rates;
  private boolean ticking;
  private boolean draining;

  Dispatcher(ServiceName service, Dispatchers shared) {
    this.service = requireNonNull(service, "service");
    this.shared = shared;
    loop = shared.loop();
    limits = shared.limits();
    events = shared.events();
    agents = new AttachedAgents(shared);
    availability = new Availability(this, loop, events);
    dials = new DialScheduler(this, shared, agents.all(), queue);
    rates = newRates();
  }

  /** The name of the service. On any thread. */
  public ServiceName service() {
    return service;
  }

  BufferBudget budget() {
    return shared.budget();
  }

  int agents() {
    return agents.size();
  }

  int warm() {
    return agents.warm();
  }

  UserQueue queue() {
    return queue;
  }

  private ServiceRates newRates() {
    DispatcherSettings settings = shared.settings();
    return new ServiceRates(settings.rateOfSession(), settings.rateOfService(), now());
  }

  /** Applies changed settings. On the loop. */
  void reload() {
    if (!rates.are(shared.settings().rateOfSession(), shared.settings().rateOfService())) {
      rates = newRates(); // open sessions keep theirs
    }
    agents.all().forEach(agents::trim);
    dials.replenish();
  }

  /** The limits on the bytes per second of a new session. On any thread. */
  SessionRates newSessionRates() {
    return rates.newSession(now());
  }

  ServiceSnapshot snapshot() {
    List<InetSocketAddress> first =
        queue
            .all()
            .limit(MAX_USERS_SHOWN)
            .map(user -> user.connection().client().remote())
            .collect(Collectors.toList());
    boolean ready = agents.isAvailable() && !draining;
    return new ServiceSnapshot(service, ready, agents.size(), agents.warm(), queue.size(), first);
  }

  Dispatchers shared() {
    return shared;
  }

  // --- users ---

  void enter(QueuedUser user) {
    loop.execute(() -> entered(user));
  }

  private void entered(QueuedUser user) {
    if (draining || budget().isExhausted()) {
      refuse(user, draining ? ReasonCode.DRAINING : ReasonCode.LIMIT);
      return;
    }
    UserLimits.Verdict ofAll = limits.judge(user);
    UserLimits.Verdict ofQueue =
        agents.isEmpty() ? queue.judgeWithoutAgent(user) : UserLimits.Verdict.ADMITTED;
    if (!ofAll.admitted || !ofQueue.admitted) {
      refuse(user, ReasonCode.LIMIT);
      return;
    }
    evict(ofAll.evicted);
    evict(ofQueue.evicted);
    await(user);
    events.userQueued(service, !user.isQueued());
  }

  private static void evict(@Nullable QueuedUser user) {
    if (user != null && !user.isGone()) {
      user.connection().abort(ReasonCode.LIMIT);
      user.connection().dispatcher().leave(user);
    }
  }

  private static void refuse(QueuedUser user, ReasonCode reason) {
    user.gone();
    user.connection().reset(reason);
  }

  private void await(QueuedUser user) {
    user.queued(
        loop.schedule(
            () -> queueTimedOut(user),
            shared.settings().queueTimeout().toNanos(),
            TimeUnit.NANOSECONDS));
    queue.add(user);
    limits.update(user);
    match();
  }

  private void queueTimedOut(QueuedUser user) {
    if (user.isQueued()) {
      user.connection().reset(ReasonCode.NO_AGENT);
      leave(user);
    }
  }

  void confirm(QueuedUser user) {
    loop.execute(() -> confirmed(user));
  }

  private void confirmed(QueuedUser user) {
    if (user.isConfirmed() || user.isGone()) {
      return;
    }
    if (user.isQueued()) {
      queue.remove(user);
    }
    user.confirm();
    limits.update(user);
    if (user.isQueued()) {
      queue.add(user);
    }
    dials.replenish();
  }

  /**
   * A user was reset or closed before it had a session: removes it from the queue. If it is
   * assigned to a data connection, its session delivers the bytes that it may have sent.
   */
  void disconnected(QueuedUser user) {
    loop.execute(
        () -> {
          user.disconnected();
          if (user.assignment() == null) {
            user.connection().discard();
          }
          if (user.isQueued()) {
            leave(user);
          }
        });
  }

  private void leave(QueuedUser user) {
    release(user);
    user.gone();
    limits.remove(user);
    dials.replenish();
    shared.endDrainIfDone();
  }

  /** Removes a user from the queue, or from its agent's load. */
  private void release(QueuedUser user) {
    Assignment assignment = user.assignment();
    if (user.isQueued()) {
      queue.remove(user);
    } else if (assignment != null) {
      agents.sessionEnded(assignment.agent());
    }
    user.released();
  }

  /** An agent's connection from the network was misclassified. On the loop. */
  void misclassified(ClientNetwork network) {
    agents.in(network).forEach(dials::delayRefill);
  }

  // --- assignments ---

  void completed(Assignment assignment, Assignment.Outcome outcome, ReasonCode reason) {
    loop.execute(
        () -> {
          boolean evicted = assignment.queuedUser().assignment() != assignment;
          if (!evicted) {
            settle(assignment, outcome, reason);
          }
          if (outcome == Assignment.Outcome.USER_GONE) {
            takeBack(assignment.connection(), assignment.agent());
          }
        });
  }

  private void settle(Assignment assignment, Assignment.Outcome outcome, ReasonCode reason) {
    switch (outcome) {
      case SESSION_ENDED:
        sessionEnded(assignment, reason);
        break;
      case USER_GONE:
        leave(assignment.queuedUser());
        break;
      case CONNECTION_GONE:
        connectionGone(assignment.queuedUser());
        break;
      case CONNECTION_FAILED:
        connectionFailed(assignment, reason);
        break;
    }
  }

  private void sessionEnded(Assignment assignment, ReasonCode reason) {
    if (reason.isDialFailure() || reason == ReasonCode.START_TIMEOUT) {
      sessionFailed(assignment.agent(), reason);
    }
    leave(assignment.queuedUser());
  }

  private void takeBack(DataConnection connection, AttachedAgent agent) {
    if (agent.draining || draining) {
      connection.close(ReasonCode.AGENT_LOST);
    } else {
      returnToPool(connection, agent);
    }
  }

  private void connectionGone(QueuedUser user) {
    release(user);
    if (user.isDisconnected()) {
      user.connection().discard();
      leave(user);
    } else if (draining) {
      user.connection().reset(ReasonCode.DRAINING);
      leave(user);
    } else {
      requeue(user);
    }
  }

  private void connectionFailed(Assignment assignment, ReasonCode reason) {
    QueuedUser user = assignment.queuedUser();
    release(user);
    sessionFailed(assignment.agent(), reason);
    user.exclude(assignment.agent());
    if (!user.isDisconnected() && !draining && agents.canServe(user)) {
      requeue(user);
    } else {
      user.connection().reset(reason);
      leave(user);
    }
  }

  private void sessionFailed(AttachedAgent agent, ReasonCode reason) {
    if (reason == ReasonCode.START_TIMEOUT) {
      agent.warm.forEach(DataConnection::ping);
    }
    agent.failedASession(now());
  }

  private void requeue(QueuedUser user) {
    user.goFirst();
    await(user);
  }

  // --- agents ---

  /** An agent attached. On the dispatcher's loop. */
  public void attached(AgentLink link) {
    agents.add(link);
    if (draining) {
      link.goAway(ReasonCode.DRAINING);
    }
    updateAvailability();
    dials.replenish();
  }

  /**
   * An agent's control connection ended: invalidates its tokens and closes its warm connections;
   * its sessions continue. On the loop.
   */
  public void detached(AgentLink link) {
    AttachedAgent agent = agents.get(link);
    if (agent != null) {
      agents.remove(agent);
      retire(agent, ReasonCode.AGENT_LOST);
    }
  }

  /** Sets who is told whether the service has agents, and tells it. */
  public void availabilityListener(AvailabilityListener listener) {
    loop.execute(() -> availability.listener(listener));
  }

  private void updateAvailability() {
    if (!draining) {
      availability.update(agents.isAvailable());
    }
  }

  private void retire(AttachedAgent agent, ReasonCode reason) {
    agent.draining = true;
    dials.forget(agent);
    agents.closeWarm(agent, reason);
    updateAvailability();
    dials.replenish();
  }

  /** An agent announced that it takes no more sessions. */
  public void draining(AgentLink link) {
    loop.execute(
        () -> {
          AttachedAgent agent = agents.get(link);
          if (agent != null) {
            retire(agent, ReasonCode.DRAINING);
          }
        });
  }

  /** An agent reported a failed dial. */
  public void dialFailed(AgentLink link, Token token, ReasonCode reason) {
    loop.execute(
        () -> {
          if (dials.failed(link, token)) {
            events.dialFailed(link.name(), service, reason);
          }
        });
  }

  // --- data connections ---

  /** A data connection presented a token of this service. On the loop. */
  void redeem(Token token, DataConnection connection) {
    DialScheduler.OutstandingToken used = dials.redeem(token);
    if (draining || used.agent.draining) {
      connection.close(ReasonCode.DRAINING);
    } else {
      connection.admit(this, used.ack, used.agent.link.name());
      returnToPool(connection, used.agent);
    }
  }

  /** Whether data connections are kept after a session. On any thread. */
  boolean keepsConnections() {
    return shared.settings().pool() > 0;
  }

  /** A data connection is free after a session. */
  void reused(DataConnection connection, AttachedAgent agent) {
    loop.execute(
        () -> {
          events.dataReturned(service);
          takeBack(connection, agent);
        });
  }

  private void returnToPool(DataConnection connection, AttachedAgent agent) {
    agents.addWarm(connection, agent);
    match();
    agents.trim(agent);
  }

  /** A data connection without a session closed. */
  void closed(DataConnection connection) {
    loop.execute(
        () -> {
          AttachedAgent agent = agents.removeWarm(connection);
          if (agent != null) {
            dials.delayRefill(agent);
          }
        });
  }

  // --- pairing ---

  private void match() {
    for (QueuedUser user : queue.first()) {
      assignIfPossible(user);
    }
    QueuedUser head = queue.head();
    while (head != null && assignIfPossible(head)) {
      head = queue.head();
    }
    dials.replenish();
    if (!queue.isEmpty()) {
      tickLater();
    }
  }

  private boolean assignIfPossible(QueuedUser user) {
    AttachedAgent agent = draining ? null : agents.choose(user);
    if (agent != null) {
      assign(user, agent);
    }
    return agent != null;
  }

  private void assign(QueuedUser user, AttachedAgent agent) {
    DataConnection connection = agents.takeWarm(agent);
    queue.served(user);
    Assignment assignment = new Assignment(this, shared.nextSessionId(), user, agent, connection);
    user.assigned(assignment);
    limits.update(user);
    agents.sessionStarted(agent);
    connection.serve(assignment);
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

  /** Resets waiting users, closes warm connections and stops dialling. On the loop. */
  void drain() {
    draining = true;
    dials.stop();
    for (QueuedUser user : queue.all().collect(Collectors.toList())) {
      user.connection().reset(ReasonCode.DRAINING);
      leave(user);
    }
    for (AttachedAgent agent : agents.all()) {
      agents.closeWarm(agent, ReasonCode.DRAINING);
      agent.link.goAway(ReasonCode.DRAINING);
    }
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
