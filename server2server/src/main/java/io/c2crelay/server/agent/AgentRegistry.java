package io.c2crelay.server.agent;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.AgentAddresses;
import io.c2crelay.server.session.SessionBroker;
import io.netty.util.concurrent.EventExecutor;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The attached agents, one control connection for each agent process: a newer one replaces an older
 * one, never the other way round. Its state lives on the broker's loop; methods may be called on
 * any thread.
 */
final class AgentRegistry {
  private static final Logger log = LoggerFactory.getLogger(AgentRegistry.class);

  private static final int MAX_WARNED = 64;

  private final EventExecutor loop;
  private final SessionBroker broker;
  private final AgentAddresses addresses;
  private final Map<InstanceId, ControlHandler> attached = new HashMap<>();

  /** Digests of targets that were warned of. */
  private final Set<ByteBuffer> warned = new HashSet<>();

  AgentRegistry(EventExecutor loop, SessionBroker broker, AgentAddresses addresses) {
    this.loop = loop;
    this.broker = broker;
    this.addresses = addresses;
  }

  SessionBroker broker() {
    return broker;
  }

  void attach(ControlHandler agent) {
    loop.execute(
        () -> {
          ControlHandler older = attached.get(agent.instance());
          if (older != null && Long.compareUnsigned(agent.epoch(), older.epoch()) <= 0) {
            log.info(
                "agent.stale agent={} address={}",
                agent.name(),
                Sockets.text(agent.channel().remoteAddress()));
            agent.dismiss(ReasonCode.STALE_EPOCH);
            return;
          }
          attached.put(agent.instance(), agent);
          addresses.attached(agent.source(), now());
          log.info(
              "agent.attached agent={} label={} address={}",
              agent.name(),
              agent.label(),
              Sockets.text(agent.channel().remoteAddress()));
          compareTargets(agent);
          broker.attached(agent);
          if (older != null) { // after the newer one is there: nobody is left without an agent
            detached(older, ReasonCode.REPLACED);
            older.dismiss(ReasonCode.REPLACED);
          }
        });
  }

  /** Any agent may get any user: two with different targets are a mistake, most likely. */
  private void compareTargets(ControlHandler agent) {
    ByteBuffer digest = agent.targetDigest();
    for (ControlHandler other : attached.values()) {
      ByteBuffer others = other.targetDigest();
      boolean differ = digest != null && others != null && !digest.equals(others);
      if (differ && warned.size() < MAX_WARNED && warned.add(digest)) {
        log.warn(
            "agent.target_differs agent={} other={} note=\"they have different targets: a user gets either of them\"",
            agent.name(),
            other.name());
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
    addresses.detached(agent.source(), now());
    log.info("agent.detached agent={} reason={}", agent.name(), reason);
    broker.detached(agent);
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
