package io.c2crelay.agent.events;

import io.c2crelay.common.logging.StatsLogger;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.Transport;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Log events of the agent process: each method defines the name, level and format of one event
 * (docs/operations.md, "Events of the agent"). Thread-safe.
 */
public final class AgentEvents {
  private static final Logger log = LoggerFactory.getLogger(AgentEvents.class);

  public void agentStarted(
      ServiceName service,
      String target,
      String relay,
      String proxy,
      Transport transport,
      String tlsProvider) {
    log.info(
        "agent.started service={} target={} relay={} proxy={} transport={} tls={}",
        service,
        target,
        relay,
        proxy,
        transport,
        tlsProvider);
  }

  /** SIGHUP: the agent no longer offers the service, with this target and key, at this relay. */
  public void serviceRemoved(ServiceName service, String target, String relay) {
    log.info("service.removed service={} target={} relay={}", service, target, relay);
  }

  /** With {@code --all-addresses}: the lookup of the relay's name failed. */
  public void relayUnknown(String relay, Throwable cause) {
    log.warn("relay.unknown relay={} cause={}", relay, Sockets.describe(cause));
  }

  /** The agent attaches to a new address of the relay's name. */
  public void relayAddress(String relay, InetSocketAddress address) {
    log.info("relay.address relay={} address={}", relay, Sockets.text(address));
  }

  /** The relay's name no longer has this address, which gets no new sessions. */
  public void relayAddressGone(String relay, InetSocketAddress address) {
    log.info("relay.address_gone relay={} address={}", relay, Sockets.text(address));
  }

  public void adminListening(InetSocketAddress address) {
    log.info("admin.listening address={}", Sockets.text(address));
  }

  /** Starts to log counts at debug level: see {@link StatsLogger#start}. */
  public void agentStats(EventExecutor loop, Supplier<String> stats) {
    StatsLogger.start(log, "agent.stats", loop, stats);
  }

  public void agentDraining(Duration limit) {
    log.info("agent.draining limit={}ms", limit.toMillis());
  }

  public void agentStopped() {
    log.info("agent.stopped");
  }
}
