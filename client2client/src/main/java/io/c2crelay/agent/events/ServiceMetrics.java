package io.c2crelay.agent.events;

import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Logs the events of one service at a relay, and counts them for the admin endpoint. */
public final class ServiceMetrics extends ServiceEvents {
  /** An attached control connection. */
  private static final class Attachment {
    final SocketAddress relay;
    final long sinceNanos = System.nanoTime();

    Attachment(SocketAddress relay) {
      this.relay = relay;
    }
  }

  private final AgentMetrics metrics;
  private final String name;
  private volatile @Nullable Attachment attachment;
  private volatile long roundTripNanos = -1;

  /**
   * Events of a service at a relay, whose host and port are as configured; counted in {@code
   * metrics}.
   */
  public ServiceMetrics(
      ServiceName service, String relayHost, int relayPort, AgentMetrics metrics) {
    super(service, relayHost, relayPort);
    this.metrics = metrics;
    name = service.toString();
    metrics.add(this);
  }

  private static String label(ReasonCode reason) {
    return reason.name().toLowerCase(Locale.ROOT);
  }

  /** Whether the agent is attached to the relay for this service. */
  public boolean isAttached() {
    return attachment != null;
  }

  /** The status row of this service and relay. */
  public Map<String, Object> row() {
    Attachment attached = attachment;
    long nanos = roundTripNanos;
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("service", name);
    row.put("relay", relay());
    row.put("attached", attached != null);
    row.put("relayAddress", attached == null ? null : Sockets.text(attached.relay));
    row.put(
        "attachedSeconds",
        attached == null
            ? null
            : TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - attached.sinceNanos));
    row.put(
        "roundTripMillis", nanos < 0 ? null : nanos / (double) TimeUnit.MILLISECONDS.toNanos(1));
    return row;
  }

  // --- the control connection ---

  @Override
  public void controlEnded() {
    attachment = null;
    metrics.remove(this);
  }

  private void attempted(String result) {
    metrics.attempts.labelValues(name, result).inc();
  }

  @Override
  public boolean controlUnreachable(
      @Nullable InetSocketAddress address, Throwable cause, long nowNanos) {
    attempted("unreachable");
    return super.controlUnreachable(address, cause, nowNanos);
  }

  @Override
  public boolean controlFailed(
      @Nullable InetSocketAddress address, @Nullable Throwable cause, long nowNanos) {
    attempted("failed");
    return super.controlFailed(address, cause, nowNanos);
  }

  @Override
  public void controlMisclassified(@Nullable InetSocketAddress address) {
    attempted("misclassified");
    super.controlMisclassified(address);
  }

  @Override
  public void controlImpostor(@Nullable InetSocketAddress address) {
    attempted("impostor");
    super.controlImpostor(address);
  }

  @Override
  public void controlRefused(@Nullable InetSocketAddress address, int times) {
    attempted("refused");
    super.controlRefused(address, times);
  }

  @Override
  public void controlVersion(@Nullable InetSocketAddress address, Throwable refusal) {
    attempted("version");
    super.controlVersion(address, refusal);
  }

  @Override
  public void controlReady(SocketAddress reached, long epoch) {
    attempted("attached");
    attachment = new Attachment(reached);
    super.controlReady(reached, epoch);
  }

  @Override
  public void controlAnswered(long nanos) {
    roundTripNanos = nanos;
    metrics.roundTrip.labelValues(name).observe(nanos / (double) TimeUnit.SECONDS.toNanos(1));
  }

  @Override
  public void controlLost(ReasonCode reason) {
    attachment = null;
    metrics.lost.labelValues(name, label(reason)).inc();
    super.controlLost(reason);
  }

  // --- data connections ---

  @Override
  public void dataDialFailed(ReasonCode reason, int attempts) {
    metrics.dialsFailed.labelValues(name, label(reason)).inc();
    super.dataDialFailed(reason, attempts);
  }

  // --- sessions ---

  @Override
  public void sessionOpened(LiveSession session) {
    metrics.sessions.opened(session);
    super.sessionOpened(session);
  }

  @Override
  public void sessionAnswered(LiveSession session) {
    metrics.sessions.firstByte(session);
    super.sessionAnswered(session);
  }

  @Override
  public void sessionFailed(LiveSession session, ReasonCode reason, Throwable cause) {
    metrics.targetFailures.labelValues(name, label(reason)).inc();
    metrics.sessions.closed(session, reason);
    super.sessionFailed(session, reason, cause);
  }

  @Override
  public void sessionClosed(LiveSession session, ReasonCode reason, long upBytes) {
    metrics.sessions.closed(session, reason);
    super.sessionClosed(session, reason, upBytes);
  }
}
