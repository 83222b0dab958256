package io.c2crelay.relay.events;

import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.admin.SessionBook;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Counts the relay's events as well as logging them, for the admin endpoint (docs/operations.md,
 * "Metrics of the relay").
 */
public final class RelayMetrics extends RelayEvents {
  private static final String PREFIX = "c2c_relay";

  /** An attached agent. */
  private static final class Agent {
    final ServiceName service;
    final Map<String, Object> row = new LinkedHashMap<>();
    final long sinceNanos = System.nanoTime();
    volatile long roundTripNanos = -1;

    Agent(ServiceName service) {
      this.service = service;
    }
  }

  private final SessionBook sessions;
  private final Map<String, Agent> agents = new LinkedHashMap<>();
  private final Counter classified;
  private final Counter refused;
  private final Counter handshakesDropped;
  private final Counter authRefused;
  private final Counter usersReset;
  private final Counter pool;
  private final Counter poolReturns;
  private final Counter dialsFailed;
  private final Counter dataRefused;
  private final Counter acceptPauses;
  private final Histogram roundTrip;

  /** Creates events that are counted in {@code metrics}. */
  public RelayMetrics(PrometheusRegistry metrics) {
    sessions = new SessionBook(metrics, PREFIX);
    classified =
        counter(metrics, "connections_classified", "Connections, by what they are.", "result");
    refused = counter(metrics, "connections_refused", "Connections refused.", "reason");
    handshakesDropped =
        counter(
            metrics,
            "handshakes_dropped",
            "Agents' connections dropped before they were authenticated.",
            "reason");
    authRefused = counter(metrics, "authentications_refused", "Authentications refused.", "reason");
    usersReset =
        counter(metrics, "users_reset", "Users reset without a session.", "service", "reason");
    pool =
        counter(
            metrics,
            "pool_requests",
            "Users, by whether a warm connection was there for them.",
            "service",
            "result");
    poolReturns =
        counter(
            metrics,
            "pool_returns",
            "Data connections that returned after a session, to carry another.",
            "service");
    dialsFailed =
        counter(metrics, "dials_failed", "Dials of agents that failed.", "service", "reason");
    dataRefused = counter(metrics, "data_connections_refused", "Data connections without a token.");
    acceptPauses = counter(metrics, "accept_pauses", "Pauses of accepting for lack of sockets.");
    roundTrip =
        Histogram.builder()
            .name(PREFIX + "_heartbeat_round_trip_seconds")
            .help("How long agents take to answer a PING.")
            .unit(Unit.SECONDS)
            .classicOnly()
            .classicUpperBounds(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
            .labelNames("service")
            .register(metrics);
  }

  private static Counter counter(
      PrometheusRegistry metrics, String name, String help, String... labels) {
    return Counter.builder()
        .name(PREFIX + "_" + name + "_total")
        .help(help)
        .labelNames(labels)
        .register(metrics);
  }

  private static String label(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** The sessions. */
  public SessionBook sessions() {
    return sessions;
  }

  /** Returns a status row for each attached agent. */
  public List<Map<String, Object>> agentRows(SessionBook.Sums sums) {
    List<Map<String, Object>> rows = new ArrayList<>();
    Map<String, Agent> attached;
    synchronized (agents) {
      attached = new LinkedHashMap<>(agents);
    }
    for (Map.Entry<String, Agent> entry : attached.entrySet()) {
      Agent agent = entry.getValue();
      Map<String, Object> row = new LinkedHashMap<>(agent.row);
      row.put("ageSeconds", TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - agent.sinceNanos));
      row.put(
          "roundTripMillis",
          agent.roundTripNanos < 0
              ? null
              : agent.roundTripNanos / (double) TimeUnit.MILLISECONDS.toNanos(1));
      row.put("sessions", sums.sessionsOf(entry.getKey()));
      rows.add(row);
    }
    return rows;
  }

  // --- connections ---

  @Override
  public void acceptPaused(Throwable cause) {
    acceptPauses.inc();
    super.acceptPaused(cause);
  }

  @Override
  public void connectionClassified(Classification result) {
    classified.labelValues(label(result)).inc();
  }

  @Override
  public void connectionMisclassified(SocketAddress from) {
    classified.labelValues("misclassified").inc();
    super.connectionMisclassified(from);
  }

  @Override
  public void connectionRefused(SocketAddress from, ConnectionRefusal reason) {
    refused.labelValues(label(reason)).inc();
    super.connectionRefused(from, reason);
  }

  @Override
  public void handshakeDropped(SocketAddress from, HandshakeLimit reason) {
    handshakesDropped.labelValues(label(reason)).inc();
    super.handshakeDropped(from, reason);
  }

  @Override
  public void authRefused(SocketAddress from, @Nullable ServiceName service, AuthRefusal reason) {
    authRefused.labelValues(label(reason)).inc();
    super.authRefused(from, service, reason);
  }

  // --- agents ---

  @Override
  public void agentRefused(SocketAddress from, Preamble preamble) {
    authRefused.labelValues("version").inc();
    super.agentRefused(from, preamble);
  }

  @Override
  public void agentAttached(
      String agent,
      ServiceName service,
      String label,
      String key,
      SocketAddress address,
      String version) {
    Agent attached = new Agent(service);
    attached.row.put("name", agent);
    attached.row.put("service", service.toString());
    attached.row.put("label", label);
    attached.row.put("key", key);
    attached.row.put("address", Sockets.text(address));
    attached.row.put("version", version);
    synchronized (agents) {
      agents.put(agent, attached);
    }
    super.agentAttached(agent, service, label, key, address, version);
  }

  @Override
  public void agentAnswered(String agent, long nanos) {
    Agent attached;
    synchronized (agents) {
      attached = agents.get(agent);
    }
    if (attached != null) {
      attached.roundTripNanos = nanos;
      roundTrip
          .labelValues(attached.service.toString())
          .observe(nanos / (double) TimeUnit.SECONDS.toNanos(1));
    }
  }

  @Override
  public void agentDetached(String agent, ReasonCode reason) {
    synchronized (agents) {
      agents.remove(agent);
    }
    super.agentDetached(agent, reason);
  }

  // --- data connections ---

  @Override
  public void dialFailed(String agent, ServiceName service, ReasonCode reason) {
    dialsFailed.labelValues(service.toString(), label(reason)).inc();
    super.dialFailed(agent, service, reason);
  }

  @Override
  public void dataRefused(SocketAddress from) {
    dataRefused.inc();
    super.dataRefused(from);
  }

  // --- users and sessions ---

  @Override
  public void userReset(SocketAddress user, ServiceName service, ReasonCode reason) {
    usersReset.labelValues(service.toString(), label(reason)).inc();
    super.userReset(user, service, reason);
  }

  @Override
  public void userQueued(ServiceName service, boolean poolHit) {
    pool.labelValues(service.toString(), poolHit ? "hit" : "miss").inc();
  }

  @Override
  public void dataReturned(ServiceName service) {
    poolReturns.labelValues(service.toString()).inc();
  }

  @Override
  public void sessionOpened(LiveSession session) {
    sessions.opened(session);
    super.sessionOpened(session);
  }

  @Override
  public void sessionAnswered(LiveSession session) {
    sessions.firstByte(session);
    super.sessionAnswered(session);
  }

  @Override
  public void sessionRetried(LiveSession session, ReasonCode reason, long downBytes) {
    sessions.closed(session, reason);
    super.sessionRetried(session, reason, downBytes);
  }

  @Override
  public void sessionClosed(LiveSession session, ReasonCode reason, long downBytes) {
    sessions.closed(session, reason);
    super.sessionClosed(session, reason, downBytes);
  }
}
