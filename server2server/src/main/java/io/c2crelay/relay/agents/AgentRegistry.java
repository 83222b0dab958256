package io.c2crelay.relay.agents;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.Dispatcher;
import io.netty.util.concurrent.EventExecutor;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * The attached agents: one control connection per agent process, the one with the highest epoch.
 * State is confined to the dispatcher's loop; methods may be called on any thread.
 */
final class AgentRegistry {
  /** Bounds the log lines that agents with random digests can cause. */
  private static final int MAX_WARNINGS = 64;

  private final EventExecutor loop;
  private final Dispatcher dispatcher;
  private final AgentAddresses addresses;
  private final RelayEvents events;
  private final Map<InstanceId, ControlHandler> attached = new HashMap<>();
  private final Set<ByteBuffer> warnedDigests = new HashSet<>();

  AgentRegistry(
      EventExecutor loop, Dispatcher dispatcher, AgentAddresses addresses, RelayEvents events) {
    this.loop = loop;
    this.dispatcher = dispatcher;
    this.addresses = addresses;
    this.events = events;
  }

  Dispatcher dispatcher() {
    return dispatcher;
  }

  void attach(ControlHandler agent) {
    loop.execute(
        () -> {
          ControlHandler older = attached.get(agent.instance());
          if (older != null && Long.compareUnsigned(agent.epoch(), older.epoch()) <= 0) {
            events.agentStale(agent.name(), agent.channel().remoteAddress());
            agent.close(ReasonCode.STALE_EPOCH);
            return;
          }
          attached.put(agent.instance(), agent);
          addresses.attached(agent.network(), now());
          events.agentAttached(agent.name(), agent.label(), agent.channel().remoteAddress());
          warnIfTargetsDiffer(agent);
          dispatcher.attached(agent);
          if (older != null) { // after the newer one is attached: users always have an agent
            detached(older, ReasonCode.REPLACED);
            older.close(ReasonCode.REPLACED);
          }
        });
  }

  /** Any agent may serve any user, so different targets are probably a misconfiguration. */
  private void warnIfTargetsDiffer(ControlHandler agent) {
    ByteBuffer digest = agent.targetDigest();
    for (ControlHandler other : attached.values()) {
      ByteBuffer otherDigest = other.targetDigest();
      boolean differ = digest != null && otherDigest != null && !digest.equals(otherDigest);
      if (differ && warnedDigests.size() < MAX_WARNINGS && warnedDigests.add(digest)) {
        events.agentTargetDiffers(agent.name(), other.name());
        return;
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
