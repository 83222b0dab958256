package io.c2crelay.relay.events;

import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.logging.StatsLogger;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.SocketShortage;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.Transport;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The relay's log: one method per event, which defines its name, level, format and rate limit
 * (docs/operations.md, "Events of the relay"). One instance per process; thread-safe.
 *
 * <p>{@code agent} is an agent's name in the log, {@code from} a peer that may be unauthenticated.
 */
public class RelayEvents {
  private static final Logger log = LoggerFactory.getLogger(RelayEvents.class);

  private static final String SESSION_END =
      " id={} service={} user={} agent={} reason={} up={} down={} ms={}";

  /** What a connection turned out to be. */
  public enum Classification {
    USER,
    SILENT_USER,
    AGENT
  }

  /** Why a connection was refused. */
  public enum ConnectionRefusal {
    PREAMBLE,
    PLAIN_DATA,
    LIMIT,
    NOT_ALLOWED,
    RATE,
    PROXY_HEADER
  }

  /** The limit that an unauthenticated connection exceeded. */
  public enum HandshakeLimit {
    TIME,
    BYTES,
    LIMIT
  }

  /** Why authentication failed. */
  public enum AuthRefusal {
    WRONG_KEY,
    UNKNOWN_SERVICE,
    THROTTLED,
    PROTOCOL,
    INTERNAL
  }

  private final LogThrottle connectionRefused = LogThrottle.of(log, "connection.refused", 10);
  private final LogThrottle connectionAborted = LogThrottle.of(log, "connection.aborted", 10);
  private final LogThrottle handshakeDropped = LogThrottle.of(log, "handshake.dropped", 10);
  private final LogThrottle agentRefused = LogThrottle.of(log, "agent.refused", 10);
  private final LogThrottle authRefused = LogThrottle.of(log, "auth.refused", 10);
  private final LogThrottle dataRefused = LogThrottle.of(log, "data.refused", 10);
  private final LogThrottle dialFailed = LogThrottle.of(log, "dial.failed", 10);
  private final LogThrottle userReset = LogThrottle.of(log, "user.reset", 100);

  // --- the process ---

  public void relayListening(
      ServiceName service,
      InetSocketAddress address,
      Transport transport,
      String tlsProvider,
      int maxSessions) {
    log.info(
        "relay.listening service={} address={} port={} transport={} tls={} max_sessions={}",
        service,
        NetUtil.toAddressString(address.getAddress()),
        address.getPort(),
        transport,
        tlsProvider,
        maxSessions);
  }

  public void adminListening(InetSocketAddress address) {
    log.info("admin.listening address={}", Sockets.text(address));
  }

  /** Starts to log all counts at debug level: see {@link StatsLogger#start}. */
  public void relayStats(EventExecutor loop, Supplier<String> stats) {
    StatsLogger.start(log, "relay.stats", loop, stats);
  }

  public void descriptorsFew(long limit, int maxSessions) {
    log.warn(
        "descriptors.few limit={} max_sessions={} note=\"a session needs two descriptors:"
            + " raise LimitNOFILE (ulimit -n) or lower --max-sessions\"",
        limit,
        maxSessions);
  }

  public void keyShort(String name) {
    log.warn(
        "key.short key={} note=\"a key of fewer than 20 characters is weak: generate one\"",
        keyName(name));
  }

  public void keysReloaded(ServiceName service, int keys, int added, int removed) {
    log.info("keys.reloaded service={} keys={} added={} removed={}", service, keys, added, removed);
  }

  private static String keyName(String name) {
    return name.isEmpty() ? "-" : LogText.value(name);
  }

  public void relayDraining(Duration limit) {
    log.info("relay.draining limit={}ms", limit.toMillis());
  }

  public void relayStopped() {
    log.info("relay.stopped");
  }

  // --- connections ---

  /** Accepting has paused for a second: no socket could be opened. */
  public void acceptPaused(Throwable cause) {
    SocketShortage.report("accept.paused", cause);
  }

  public void connectionRefused(SocketAddress from, ConnectionRefusal reason) {
    if (connectionRefused.allows()) {
      log.info("connection.refused from={} reason={}", Sockets.text(from), reason);
    }
  }

  /** Counted, not logged. */
  public void connectionClassified(Classification result) {}

  public void connectionMisclassified(SocketAddress from) {
    log.debug("connection.misclassified from={}", Sockets.text(from));
  }

  public void handshakeDropped(SocketAddress from, HandshakeLimit reason) {
    if (handshakeDropped.allows()) {
      log.info("handshake.dropped from={} reason={}", Sockets.text(from), reason);
    }
  }

  public void handshakeFailed(Throwable cause) {
    log.debug("handshake.failed cause={}", Sockets.describe(cause));
  }

  /** {@code service} is the requested service; null if the peer has not requested one yet. */
  public void authRefused(SocketAddress from, @Nullable ServiceName service, AuthRefusal reason) {
    if (authRefused.allows()) {
      log.warn(
          "auth.refused from={} service={} reason={}",
          Sockets.text(from),
          service == null ? "-" : service,
          reason);
    }
  }

  // --- agents ---

  public void agentRefused(SocketAddress from, Preamble preamble) {
    if (agentRefused.allows()) {
      log.warn(
          "agent.refused from={} reason=VERSION agent_versions={}-{} relay_versions={}-{}",
          Sockets.text(from),
          preamble.lowestVersion(),
          preamble.highestVersion(),
          RelayProtocol.LOWEST_VERSION,
          RelayProtocol.HIGHEST_VERSION);
    }
  }

  public void agentStale(String agent, ServiceName service, SocketAddress address) {
    log.info("agent.stale agent={} service={} address={}", agent, service, Sockets.text(address));
  }

  public void agentAttached(
      String agent,
      ServiceName service,
      String label,
      String key,
      SocketAddress address,
      String version) {
    log.info(
        "agent.attached agent={} service={} label={} key={} address={} version={}",
        agent,
        service,
        LogText.value(label),
        keyName(key),
        Sockets.text(address),
        LogText.value(version));
  }

  /** Not logged: the round-trip time of a PING. */
  public void agentAnswered(String agent, long nanos) {}

  public void agentTargetDiffers(String agent, String other) {
    log.warn(
        "agent.target_differs agent={} other={} note=\"users may reach either target\"",
        agent,
        other);
  }

  public void agentStalled(String agent) {
    log.warn(
        "agent.stalled agent={} note=\"the agent does not read its control connection\"", agent);
  }

  public void agentDraining(String agent, ReasonCode reason) {
    log.info("agent.draining agent={} reason={}", agent, reason);
  }

  public void agentDetached(String agent, ReasonCode reason) {
    log.info("agent.detached agent={} reason={}", agent, reason);
  }

  public void controlFailed(String agent, Throwable cause) {
    log.debug("control.failed agent={} cause={}", agent, Sockets.describe(cause));
  }

  /** {@code connection.aborted} of an agent's control connection. */
  public void controlAborted(SocketAddress from, String agent, @Nullable String detail) {
    log.warn(
        "connection.aborted from={} kind=control agent={} reason={} detail={}",
        Sockets.text(from),
        agent,
        ReasonCode.PROTOCOL,
        LogText.value(detail));
  }

  public void serviceRemoved(ServiceName service) {
    log.info("service.removed service={}", service);
  }

  public void portOpened(ServiceName service, int port) {
    log.info("port.opened service={} port={}", service, port);
  }

  public void portClosed(ServiceName service, int port) {
    log.info("port.closed service={} port={} note=\"no agent is attached\"", service, port);
  }

  public void portFailed(ServiceName service, int port, Throwable cause) {
    log.warn(
        "port.failed service={} port={} cause={} note=\"it is tried again each second\"",
        service,
        port,
        LogText.value(Sockets.messageOf(cause)));
  }

  public void serviceUnavailable(ServiceName service) {
    log.warn(
        "service.unavailable service={} note=\"no agent is attached: users cannot be served\"",
        service);
  }

  public void serviceAvailable(ServiceName service, long unavailableNanos) {
    log.info(
        "service.available service={} unavailable_ms={}",
        service,
        TimeUnit.NANOSECONDS.toMillis(unavailableNanos));
  }

  // --- data connections ---

  public void dialFailed(String agent, ServiceName service, ReasonCode reason) {
    if (dialFailed.allows()) {
      log.info("dial.failed agent={} service={} reason={}", agent, service, reason);
    }
  }

  public void dataRefused(SocketAddress from) {
    if (dataRefused.allows()) {
      log.info("data.refused from={} reason={}", Sockets.text(from), ReasonCode.BAD_TOKEN);
    }
  }

  public void dataFailed(SocketAddress from, Throwable cause) {
    log.debug("data.failed from={} cause={}", Sockets.text(from), Sockets.describe(cause));
  }

  /** {@code connection.aborted} of a data connection; rate-limited if it is not authenticated. */
  public void dataAborted(SocketAddress from, boolean authenticated, @Nullable String detail) {
    if (authenticated || connectionAborted.allows()) {
      log.warn(
          "connection.aborted from={} kind=data reason={} detail={}",
          Sockets.text(from),
          ReasonCode.PROTOCOL,
          LogText.value(detail));
    }
  }

  public void dataLost(String agent) {
    log.info("data.lost agent={} reason={}", agent, ReasonCode.AGENT_LOST);
  }

  // --- users and sessions ---

  public void userReset(SocketAddress user, ServiceName service, ReasonCode reason) {
    if (userReset.allows()) {
      log.info("user.reset service={} user={} reason={}", service, Sockets.text(user), reason);
    }
  }

  /** Not logged: whether a warm connection was available for a user. */
  public void userQueued(ServiceName service, boolean poolHit) {}

  /** Not logged: a data connection returned after a session. */
  public void dataReturned(ServiceName service) {}

  public void sessionOpened(LiveSession session) {
    log.info(
        "session.open id={} service={} user={} agent={}",
        session.id(),
        session.service(),
        Sockets.text(session.user()),
        session.peer());
  }

  public void sessionStarted(LiveSession session) {
    log.debug("session.started id={}", session.id());
  }

  /** The first byte arrived from the target. */
  public void sessionAnswered(LiveSession session) {
    log.debug("session.answered id={}", session.id());
  }

  /**
   * The session is retried with another agent.
   *
   * @param downBytes delivered to the user
   */
  public void sessionRetried(LiveSession session, ReasonCode reason, long downBytes) {
    log.info("session.retry" + SESSION_END, end(session, reason, downBytes));
  }

  /**
   * A session ended.
   *
   * @param downBytes delivered to the user
   */
  public void sessionClosed(LiveSession session, ReasonCode reason, long downBytes) {
    log.info("session.close" + SESSION_END, end(session, reason, downBytes));
  }

  private static Object[] end(LiveSession session, ReasonCode reason, long downBytes) {
    return new Object[] {
      session.id(),
      session.service(),
      Sockets.text(session.user()),
      session.peer(),
      reason,
      session.upBytes(),
      downBytes,
      TimeUnit.NANOSECONDS.toMillis(session.ageNanos())
    };
  }
}
