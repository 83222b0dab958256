package io.c2crelay.server.agent;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.AgentAddresses;
import io.c2crelay.server.session.SessionBroker;
import io.netty.util.concurrent.EventExecutor;
import java.util.HashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The attached agents, one control connection for each agent process: a newer one replaces an older
 * one, never the other way round. Its state lives on the broker's loop; methods may be called on
 * any thread.
 */
final class AgentRegistry {
  private static final Logger log = LoggerFactory.getLogger(AgentRegistry.class);

  private final EventExecutor loop;
  private final SessionBroker broker;
  private final AgentAddresses addresses;
  private final Map<InstanceId, ControlHandler> attached = new HashMap<>();

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
          if (older != null) {
            remove(older, ReasonCode.REPLACED);
            older.dismiss(ReasonCode.REPLACED);
          }
          attached.put(agent.instance(), agent);
          addresses.attached(agent.source(), now());
          log.info(
              "agent.attached agent={} label={} address={}",
              agent.name(),
              agent.label(),
              Sockets.text(agent.channel().remoteAddress()));
          broker.attached(agent);
        });
  }

  void detach(ControlHandler agent, ReasonCode reason) {
    loop.execute(() -> remove(agent, reason));
  }

  private void remove(ControlHandler agent, ReasonCode reason) {
    if (attached.remove(agent.instance(), agent)) {
      addresses.detached(agent.source(), now());
      log.info("agent.detached agent={} reason={}", agent.name(), reason);
      broker.detached(agent);
    }
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
