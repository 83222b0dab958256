package io.c2crelay.relay.agents;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.AuthRefusal;
import io.c2crelay.relay.session.Dispatcher;
import io.netty.util.concurrent.EventExecutor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * The agents attached to a service: one control connection per agent process, the one with the
 * highest epoch, and only while its key is one of the service's. State is confined to the
 * dispatcher's loop; methods may be called on any thread.
 */
public final class AgentRegistry {
  /** Bounds the log lines that agents with random digests can cause. */
  private static final int MAX_WARNINGS = 64;

  /** How long the agents of a removed service may take to detach. */
  private static final long GOAWAY_GRACE_SECONDS = 5;

  private final EventExecutor loop;
  private KeyRing keys;
  private final Dispatcher dispatcher;
  private final AgentAddresses addresses;
  private final RelayEvents events;
  private final Map<InstanceId, ControlHandler> attached = new HashMap<>();
  private final Set<ByteBuffer> warnedDigests = new HashSet<>();

  /**
   * @param loop the dispatcher's event loop
   * @param keys the keys of the service
   * @param dispatcher the dispatcher of the service
   */
  public AgentRegistry(
      EventExecutor loop,
      KeyRing keys,
      Dispatcher dispatcher,
      AgentAddresses addresses,
      RelayEvents events) {
    this.loop = requireNonNull(loop, "loop");
    this.keys = requireNonNull(keys, "keys");
    this.dispatcher = requireNonNull(dispatcher, "dispatcher");
    this.addresses = requireNonNull(addresses, "addresses");
    this.events = requireNonNull(events, "events");
  }

  Dispatcher dispatcher() {
    return dispatcher;
  }

  void attach(ControlHandler agent) {
    loop.execute(
        () -> {
          if (!keys.contains(agent.key())) { // removed since the agent was authenticated
            events.authRefused(agent.remote(), dispatcher.service(), AuthRefusal.WRONG_KEY);
            agent.close(ReasonCode.KEY_REMOVED);
            return;
          }
          ControlHandler older = attached.get(agent.instance());
          if (older != null && Long.compareUnsigned(agent.epoch(), older.epoch()) <= 0) {
            events.agentStale(agent.name(), dispatcher.service(), agent.remote());
            agent.close(ReasonCode.STALE_EPOCH);
            return;
          }
          attached.put(agent.instance(), agent);
          addresses.attached(agent.network(), now());
          events.agentAttached(
              agent.name(),
              dispatcher.service(),
              agent.label(),
              agent.key().name(),
              agent.remote(),
              agent.version());
          warnIfTargetsDiffer(agent);
          dispatcher.attached(agent);
          if (older != null) { // last, so that users always have an agent
            detached(older, ReasonCode.REPLACED);
            older.close(ReasonCode.REPLACED);
          }
        });
  }

  /**
   * Any agent may serve any user, so different targets are probably a misconfiguration. Only
   * digests by the same key can be compared.
   */
  private void warnIfTargetsDiffer(ControlHandler agent) {
    ByteBuffer digest = agent.targetDigest();
    for (ControlHandler other : attached.values()) {
      ByteBuffer otherDigest = other.targetDigest();
      boolean differ =
          digest != null
              && otherDigest != null
              && other.key().isSameKey(agent.key())
              && !digest.equals(otherDigest);
      if (differ && warnedDigests.size() < MAX_WARNINGS && warnedDigests.add(digest)) {
        events.agentTargetDiffers(agent.name(), other.name());
        return;
      }
    }
  }

  /** Replaces the keys and detaches the agents whose key was removed; their sessions continue. */
  public void useKeys(KeyRing newKeys) {
    loop.execute(
        () -> {
          keys = newKeys;
          closeIf(agent -> !keys.contains(agent.key()), ReasonCode.KEY_REMOVED);
        });
  }

  /** The service is removed: detaches the agents that stay after GOAWAY. */
  public void removed() {
    loop.schedule(
        () -> closeIf(agent -> true, ReasonCode.DRAINING), GOAWAY_GRACE_SECONDS, TimeUnit.SECONDS);
  }

  private void closeIf(Predicate<ControlHandler> condition, ReasonCode reason) {
    for (ControlHandler agent : new ArrayList<>(attached.values())) {
      if (condition.test(agent)) {
        remove(agent, reason);
        agent.close(reason);
      }
    }
  }

  void detach(ControlHandler agent, ReasonCode reason) {
    loop.execute(() -> remove(agent, reason));
  }

  private void remove(ControlHandler agent, ReasonCode reason) {
    if (attached.remove(agent.instance(), agent)) {
      detached(agent, reason);
    }
  }

  private void detached(ControlHandler agent, ReasonCode reason) {
    addresses.detached(agent.network(), now());
    events.agentDetached(agent.name(), reason);
    dispatcher.detached(agent);
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
