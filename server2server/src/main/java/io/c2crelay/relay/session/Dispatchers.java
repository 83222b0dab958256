package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The dispatchers of all services and what they share: one event loop, the limits on users, the
 * tokens and the drain. Public methods may be called on any thread unless stated otherwise.
 */
public final class Dispatchers {
  private final EventExecutor loop;
  private volatile DispatcherSettings settings;
  private final BufferBudget budget;
  private final AgentAddresses addresses;
  private final SecureRandom random;
  private final RelayEvents events;
  private final UserLimits limits;
  private final Map<Token, DialScheduler.OutstandingToken> tokens = new HashMap<>();
  private final List<Dispatcher> all = new ArrayList<>();
  private final Promise<Void> drained;
  private long lastSessionId;
  private boolean draining;

  /**
   * @param random makes tokens
   */
  public Dispatchers(
      EventExecutor loop,
      DispatcherSettings settings,
      BufferBudget budget,
      AgentAddresses addresses,
      SecureRandom random,
      RelayEvents events) {
    this.loop = requireNonNull(loop, "loop");
    this.settings = requireNonNull(settings, "settings");
    this.budget = requireNonNull(budget, "budget");
    this.addresses = requireNonNull(addresses, "addresses");
    this.random = requireNonNull(random, "random");
    this.events = requireNonNull(events, "events");
    limits = new UserLimits(settings);
    drained = loop.newPromise();
  }

  /** Creates the dispatcher of a service. */
  public Dispatcher create(ServiceName service) {
    Dispatcher dispatcher = new Dispatcher(service, this);
    loop.execute(
        () -> {
          all.add(dispatcher);
          limits.services(all.size());
          if (draining) {
            dispatcher.drain();
          }
        });
    return dispatcher;
  }

  /** Removes a service: resets its waiting users and detaches its agents. Sessions continue. */
  public void remove(Dispatcher dispatcher) {
    loop.execute(
        () -> {
          all.remove(dispatcher);
          limits.services(all.size());
          dispatcher.drain();
        });
  }

  /** A data connection presented a token, which identifies its service. */
  void redeem(Token token, DataConnection connection) {
    loop.execute(
        () -> {
          DialScheduler.OutstandingToken issued = tokens.get(token);
          if (issued == null) {
            connection.close(ReasonCode.BAD_TOKEN);
          } else {
            issued.dispatcher().redeem(token, connection);
          }
        });
  }

  /** An agent's connection from the network, of an unknown service, was misclassified. */
  void misclassified(ClientNetwork network) {
    loop.execute(() -> all.forEach(dispatcher -> dispatcher.misclassified(network)));
  }

  /**
   * Stops admitting users and dialling; sessions continue.
   *
   * @return completes on the dispatchers' loop when no session is left
   */
  public Future<Void> drain() {
    loop.execute(
        () -> {
          draining = true;
          all.forEach(Dispatcher::drain);
          endDrainIfDone();
        });
    return drained;
  }

  /** Replaces the settings; open sessions keep theirs. */
  public void reload(DispatcherSettings newSettings) {
    loop.execute(
        () -> {
          settings = newSettings;
          limits.reload(newSettings);
          all.forEach(Dispatcher::reload);
        });
  }

  /** Aborts every session. */
  public void abortAll(ReasonCode reason) {
    loop.execute(() -> limits.all().forEach(user -> user.connection().abort(reason)));
  }

  /** All counts, as {@code key=value} pairs for the log. On the dispatchers' loop. */
  public String stats() {
    int queued = all.stream().mapToInt(dispatcher -> dispatcher.queue().size()).sum();
    return String.format(
        Locale.ROOT,
        "agents=%d warm=%d tokens=%d waiting=%d sessions=%d buffered=%d",
        all.stream().mapToInt(Dispatcher::agents).sum(),
        all.stream().mapToInt(Dispatcher::warm).sum(),
        tokens.size(),
        queued,
        limits.size() - queued,
        budget.usedBytes());
  }

  /** Returns a snapshot of each service, in the order of creation. */
  public Future<List<ServiceSnapshot>> snapshot() {
    return loop.submit(() -> all.stream().map(Dispatcher::snapshot).collect(Collectors.toList()));
  }

  // --- for the dispatchers, on their loop ---

  void endDrainIfDone() {
    if (draining && limits.size() == 0) {
      drained.trySuccess(null);
    }
  }

  long nextSessionId() {
    return ++lastSessionId;
  }

  Map<Token, DialScheduler.OutstandingToken> tokens() {
    return tokens;
  }

  EventExecutor loop() {
    return loop;
  }

  DispatcherSettings settings() {
    return settings;
  }

  BufferBudget budget() {
    return budget;
  }

  AgentAddresses addresses() {
    return addresses;
  }

  SecureRandom random() {
    return random;
  }

  RelayEvents events() {
    return events;
  }

  UserLimits limits() {
    return limits;
  }
}
