package io.c2crelay.agent.events;

import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.logging.StatsLogger;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.Transport;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent's log: one method per event, which owns its name, level, format and rate limit
 * (docs/operations.md, "Events of the agent"). One instance per process; thread-safe, but the
 * events of the control connection are confined to its loop.
 *
 * <p>{@code relayHost} and {@code relayPort} are as configured, {@code address} is the one in use,
 * or null if the name is not resolved.
 */
public final class AgentEvents {
  private static final Logger log = LoggerFactory.getLogger(AgentEvents.class);

  private static final long REPEAT_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final LogThrottle dataDialFailed = LogThrottle.of(log, "data.dial.failed", 10);
  private final Set<String> loggedFailures = new HashSet<>();
  private long loggedSinceNanos;

  // --- the process ---

  public void agentStarted(
      String target, String relayHost, int relayPort, Transport transport, String tlsProvider) {
    log.info(
        "agent.started target={} relay={}:{} transport={} tls={}",
        target,
        relayHost,
        relayPort,
        transport,
        tlsProvider);
  }

  /** Logs counts at debug level from now on: see {@link StatsLogger#start}. */
  public void agentCounts(EventExecutor loop, Supplier<String> counts) {
    StatsLogger.start(log, "agent.counts", loop, counts);
  }

  public void agentDraining(Duration limit) {
    log.info("agent.draining limit={}ms", limit.toMillis());
  }

  public void agentStopped() {
    log.info("agent.stopped");
  }

  // --- the control connection ---

  public void controlConnecting(String relayHost, int relayPort, long epoch) {
    log.debug("control.connecting relay={}:{} epoch={}", relayHost, relayPort, epoch);
  }

  /**
   * Logs the same failure at most once in 30 s: an outage may last for days.
   *
   * @return whether it was logged
   */
  public boolean controlUnreachable(
      String relayHost,
      int relayPort,
      @Nullable InetSocketAddress address,
      Throwable cause,
      long nowNanos) {
    String relay = relay(relayHost, relayPort, address);
    String text = Sockets.describe(cause);
    boolean isNew = isNew("control.unreachable " + relay + ' ' + text, nowNanos);
    if (isNew) {
      log.warn("control.unreachable relay={} cause={}", relay, text);
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
      String relayHost,
      int relayPort,
      @Nullable InetSocketAddress address,
      @Nullable Throwable cause,
      long nowNanos) {
    String relay = relay(relayHost, relayPort, address);
    String text = Sockets.describe(cause);
    boolean isNew = isNew("control.failed " + relay + ' ' + text, nowNanos);
    if (isNew) {
      log.warn("control.failed relay={} cause={}", relay, text);
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

  public void controlMisclassified(
      String relayHost, int relayPort, @Nullable InetSocketAddress address) {
    log.debug("control.misclassified relay={}", relay(relayHost, relayPort, address));
  }

  public void controlImpostor(
      String relayHost, int relayPort, @Nullable InetSocketAddress address) {
    log.error(
        "control.impostor relay={} note=\"peer authentication failed: wrong key\"",
        relay(relayHost, relayPort, address));
  }

  public void controlRefused(
      String relayHost, int relayPort, @Nullable InetSocketAddress address, int times) {
    log.error(
        "control.refused relay={} times={} note=\"the relay refused the key"
            + " (or is slowing down guesses)\"",
        relay(relayHost, relayPort, address),
        times);
  }

  /** The message of {@code refusal} has both sides' versions as {@code key=value} pairs. */
  public void controlVersion(
      String relayHost, int relayPort, @Nullable InetSocketAddress address, Throwable refusal) {
    log.error(
        "control.version relay={} {} note=\"no common protocol version: update the older side\"",
        relay(relayHost, relayPort, address),
        refusal.getMessage());
  }

  private static String relay(
      String relayHost, int relayPort, @Nullable InetSocketAddress address) {
    String relay = relayHost + ':' + relayPort;
    String used = address == null ? relayHost : NetUtil.toAddressString(address.getAddress());
    return used.equals(relayHost) ? relay : relay + " address=" + used;
  }

  /** The next failure is logged, whatever it is. */
  public void controlReady(SocketAddress relay, long epoch) {
    loggedFailures.clear();
    log.info("control.ready relay={} epoch={}", Sockets.text(relay), epoch);
  }

  public void controlStalled(String relayHost, int relayPort) {
    log.warn(
        "control.stalled relay={}:{} note=\"the relay does not read its control connection\"",
        relayHost,
        relayPort);
  }

  public void controlAborted(@Nullable String detail) {
    log.warn("control.aborted reason=PROTOCOL detail={}", LogText.value(detail));
  }

  /** {@code control.failed} of an attached control connection, at debug level. */
  public void controlBroken(Throwable cause) {
    log.debug("control.failed cause={}", Sockets.describe(cause));
  }

  public void controlLost(String relayHost, int relayPort, ReasonCode reason) {
    log.warn("control.lost relay={}:{} reason={}", relayHost, relayPort, reason);
  }

  public void controlRetry(long delayNanos) {
    log.info("control.retry in={}ms", TimeUnit.NANOSECONDS.toMillis(delayNanos));
  }

  // --- data connections ---

  public void dataUnreachable(Throwable cause) {
    log.debug("data.unreachable cause={}", Sockets.describe(cause));
  }

  public void dataFailed(int attempt, @Nullable Throwable cause) {
    log.debug("data.failed attempt={} cause={}", attempt, Sockets.describe(cause));
  }

  public void dataDialFailed(ReasonCode reason, int attempts) {
    if (dataDialFailed.allows()) {
      log.info("data.dial.failed reason={} attempts={}", reason, attempts);
    }
  }

  public void dataImpostor(SocketAddress relay) {
    log.warn(
        "data.impostor relay={} note=\"certificate differs from the control connection's\"",
        Sockets.text(relay));
  }

  public void dataAborted(SocketAddress relay, @Nullable String detail) {
    log.warn(
        "data.aborted relay={} reason=PROTOCOL detail={}",
        Sockets.text(relay),
        LogText.value(detail));
  }

  public void dataLost(Throwable cause) {
    log.debug("data.lost cause={}", Sockets.describe(cause));
  }

  // --- sessions ---

  public void sessionOpened(long id, SocketAddress user) {
    log.info("session.open id={} user={}", id, Sockets.text(user));
  }

  public void sessionFailed(long id, ReasonCode reason, Throwable cause) {
    log.warn("session.failed id={} reason={} cause={}", id, reason, Sockets.describe(cause));
  }

  public void sessionClosed(long id, ReasonCode reason, long upBytes, long downBytes) {
    log.info("session.close id={} reason={} up={} down={}", id, reason, upBytes, downBytes);
  }
}
