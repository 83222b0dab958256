package io.c2crelay.agent.events;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.netty.util.NetUtil;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Log events of one service at one relay: each method defines the name, level, format and rate
 * limit of one event (docs/operations.md, "Events of the agent"). Thread-safe, except that events
 * of the control connection are confined to its loop. Their {@code address} is the relay's address
 * in use, or null if its name is not resolved.
 */
public class ServiceEvents {
  private static final Logger log = LoggerFactory.getLogger(ServiceEvents.class);

  private static final long REPEAT_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final ServiceName service;
  private final String relayHost;
  private final int relayPort;
  private final LogThrottle dataDialFailed = LogThrottle.of(log, "data.dial.failed", 10);
  private final Set<String> loggedFailures = new HashSet<>();
  private long loggedSinceNanos;

  /** Events of a service at a relay, whose host and port are as configured. */
  public ServiceEvents(ServiceName service, String relayHost, int relayPort) {
    this.service = requireNonNull(service, "service");
    this.relayHost = requireNonNull(relayHost, "relayHost");
    this.relayPort = relayPort;
  }

  /** The service. */
  public ServiceName service() {
    return service;
  }

  /** The relay, as configured. */
  public String relay() {
    return Sockets.text(InetSocketAddress.createUnresolved(relayHost, relayPort));
  }

  // --- the control connection ---

  public void controlConnecting(long epoch) {
    log.debug(
        "control.connecting service={} relay={}:{} epoch={}", service, relayHost, relayPort, epoch);
  }

  /**
   * Logs the same failure at most once in 30 s: an outage may last for days.
   *
   * @return whether it was logged
   */
  public boolean controlUnreachable(
      @Nullable InetSocketAddress address, Throwable cause, long nowNanos) {
    String relay = relay(address);
    String text = Sockets.describe(cause);
    boolean isNew = isNew("control.unreachable " + relay + ' ' + text, nowNanos);
    if (isNew) {
      log.warn("control.unreachable service={} relay={} cause={}", service, relay, text);
    }
    return isNew;
  }

  /**
   * Logs the same failure at most once in 30 s, as {@link #controlUnreachable}.
   *
   * @param cause null if the relay closed the connection
   * @return whether it was logged
   */
  public boolean controlFailed(
      @Nullable InetSocketAddress address, @Nullable Throwable cause, long nowNanos) {
    String relay = relay(address);
    String text = Sockets.describe(cause);
    boolean isNew = isNew("control.failed " + relay + ' ' + text, nowNanos);
    if (isNew) {
      log.warn("control.failed service={} relay={} cause={}", service, relay, text);
    }
    return isNew;
  }

  private boolean isNew(String failure, long nowNanos) {
    if (nowNanos - loggedSinceNanos >= REPEAT_NANOS) {
      loggedFailures.clear();
      loggedSinceNanos = nowNanos;
    }
    return loggedFailures.add(failure);
  }

  public void controlMisclassified(@Nullable InetSocketAddress address) {
    log.debug("control.misclassified service={} relay={}", service, relay(address));
  }

  public void controlImpostor(@Nullable InetSocketAddress address) {
    log.error(
        "control.impostor service={} relay={} note=\"peer authentication failed: wrong key\"",
        service,
        relay(address));
  }

  public void controlRefused(@Nullable InetSocketAddress address, int times) {
    log.error(
        "control.refused service={} relay={} times={} note=\"the relay refused the key{}"
            + " (or is slowing down guesses)\"",
        service,
        relay(address),
        times,
        service.isDefault() ? "" : " or has no such service");
  }

  /** The message of {@code refusal} contains both sides' versions as {@code key=value} pairs. */
  public void controlVersion(@Nullable InetSocketAddress address, Throwable refusal) {
    log.error(
        "control.version service={} relay={} {} note=\"no common protocol version: update the older side\"",
        service,
        relay(address),
        refusal.getMessage());
  }

  private String relay(@Nullable InetSocketAddress address) {
    String relay = relayHost + ':' + relayPort;
    String used =
        address == null || address.isUnresolved()
            ? relayHost
            : NetUtil.toAddressString(address.getAddress());
    return used.equals(relayHost) ? relay : relay + " address=" + used;
  }

  /** Also resets the rate limit: the next failure is logged. */
  public void controlReady(SocketAddress relay, long epoch) {
    loggedFailures.clear();
    log.info("control.ready service={} relay={} epoch={}", service, Sockets.text(relay), epoch);
  }

  /** The round-trip time of a PING. Not logged. */
  public void controlAnswered(long nanos) {}

  public void controlStalled() {
    log.warn(
        "control.stalled service={} relay={}:{} note=\"the relay does not read its control connection\"",
        service,
        relayHost,
        relayPort);
  }

  public void controlAborted(@Nullable String detail) {
    log.warn(
        "control.aborted service={} reason=PROTOCOL detail={}", service, LogText.value(detail));
  }

  /** Logs {@code control.failed} of an attached control connection, at debug level. */
  public void controlBroken(Throwable cause) {
    log.debug("control.failed service={} cause={}", service, Sockets.describe(cause));
  }

  public void controlLost(ReasonCode reason) {
    log.warn(
        "control.lost service={} relay={}:{} reason={}", service, relayHost, relayPort, reason);
  }

  /** The agent stopped attaching to this relay. Not logged. */
  public void controlEnded() {}

  public void controlRetry(long delayNanos) {
    log.info(
        "control.retry service={} in={}ms", service, TimeUnit.NANOSECONDS.toMillis(delayNanos));
  }

  // --- data connections ---

  public void dataUnreachable(Throwable cause) {
    log.debug("data.unreachable service={} cause={}", service, Sockets.describe(cause));
  }

  public void dataFailed(int attempt, @Nullable Throwable cause) {
    log.debug(
        "data.failed service={} attempt={} cause={}", service, attempt, Sockets.describe(cause));
  }

  public void dataDialFailed(ReasonCode reason, int attempts) {
    if (dataDialFailed.allows()) {
      log.info("data.dial.failed service={} reason={} attempts={}", service, reason, attempts);
    }
  }

  public void dataImpostor(SocketAddress relay) {
    log.warn(
        "data.impostor service={} relay={} note=\"certificate differs from the control connection's\"",
        service,
        Sockets.text(relay));
  }

  public void dataAborted(SocketAddress relay, @Nullable String detail) {
    log.warn(
        "data.aborted service={} relay={} reason=PROTOCOL detail={}",
        service,
        Sockets.text(relay),
        LogText.value(detail));
  }

  public void dataLost(Throwable cause) {
    log.debug("data.lost service={} cause={}", service, Sockets.describe(cause));
  }

  // --- sessions ---

  public void sessionOpened(LiveSession session) {
    log.info(
        "session.open id={} service={} user={}",
        session.id(),
        service,
        Sockets.text(session.user()));
  }

  /** The first byte came from the target. */
  public void sessionAnswered(LiveSession session) {
    log.debug("session.answered id={} service={}", session.id(), service);
  }

  /** The target could not be reached. */
  public void sessionFailed(LiveSession session, ReasonCode reason, Throwable cause) {
    log.warn(
        "session.failed id={} service={} user={} reason={} cause={}",
        session.id(),
        service,
        Sockets.text(session.user()),
        reason,
        Sockets.describe(cause));
  }

  /**
   * A session ended.
   *
   * @param upBytes delivered to the target
   */
  public void sessionClosed(LiveSession session, ReasonCode reason, long upBytes) {
    log.info(
        "session.close id={} service={} user={} reason={} up={} down={} ms={}",
        session.id(),
        service,
        Sockets.text(session.user()),
        reason,
        upBytes,
        session.downBytes(),
        TimeUnit.NANOSECONDS.toMillis(session.ageNanos()));
  }
}
