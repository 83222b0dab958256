package io.c2crelay.relay;

import io.c2crelay.common.admin.AdminSettings;
import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.ConfigChanges;
import io.c2crelay.common.cli.Reloader;
import io.c2crelay.common.cli.SharedSettings;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.AccessRules;
import io.c2crelay.relay.address.AddressList;
import io.c2crelay.relay.session.DispatcherSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Immutable, validated relay configuration. Each field has the name of its option. */
final class RelayConfig implements Reloader.Config<RelayConfig> {
  private static final int MAX_SERVICES = 64;
  private static final int MAX_POOL = 64;
  private static final int MAX_SESSIONS = 1_000_000;
  private static final long MIN_RATE = 16 * 1024;
  private static final long MAX_RATE = 1L << 40;
  private static final Duration MAX_TIMEOUT = Duration.ofDays(30);

  /** The services, the default one first. */
  final List<ServiceConfig> services;

  /** The address or host name to listen on, without brackets; null for all addresses. */
  final @Nullable String bind;

  /** How long to wait for the first byte before a connection counts as a silent user. */
  final Duration detectTimeout;

  /** The number of warm connections per agent; 0 to dial for each session. */
  final int pool;

  /** How long a user waits for an agent. */
  final Duration queueTimeout;

  /** The maximum number of sessions, waiting users included. */
  final int maxSessions;

  /** The maximum number of sessions of one client network. */
  final int maxSessionsPerNetwork;

  /** The maximum number of new sessions per second from one client network; 0 for no limit. */
  final int sessionsPerSecond;

  /** The maximum bytes per second of a session in each direction; 0 for no limit. */
  final long rate;

  /**
   * The maximum bytes per second of all sessions of a service in each direction; 0 for no limit.
   */
  final long serviceRate;

  /** The networks that users may connect from; empty for all. */
  final AddressList allowed;

  /** The networks that users must not connect from. */
  final AddressList denied;

  /** The networks that agents may connect from; empty for all. */
  final AddressList allowedAgents;

  /** The networks whose connections begin with a PROXY header. */
  final AddressList loadBalancers;

  /** How long a session may be idle in both directions before it is aborted; zero for no limit. */
  final Duration idleTimeout;

  /** How long a half-closed session may be idle before it is aborted. */
  final Duration halfCloseTimeout;

  /** Whether the configuration has files that can be read again. */
  final boolean isReloadable;

  /** The admin endpoint; null if it is off. */
  final @Nullable AdminSettings admin;

  private final SharedSettings shared;

  /**
   * Validates the options of a command line.
   *
   * @throws IllegalArgumentException if a value is out of bounds; the message names its option
   * @throws StartupException if the transport is not available
   */
  RelayConfig(RelayCommand options, List<ServiceConfig> services) throws StartupException {
    Duration second = Duration.ofSeconds(1);
    this.services = Collections.unmodifiableList(new ArrayList<>(services));
    Checks.range("the number of services", services.size(), 1, MAX_SERVICES);
    if (services.stream().map(service -> service.name).distinct().count() < services.size()) {
      throw new IllegalArgumentException("each service needs a name of its own");
    }
    bind = options.bind == null ? null : Checks.host("--bind", options.bind);
    detectTimeout =
        Checks.range(
            "--detect-timeout",
            options.detectTimeout,
            Duration.ofMillis(1),
            Duration.ofSeconds(10));
    pool = Checks.range("--pool", options.pool, 0, MAX_POOL);
    queueTimeout =
        Checks.range(
            "--queue-timeout", options.queueTimeout, Duration.ofMillis(100), Duration.ofHours(1));
    maxSessions = Checks.range("--max-sessions", options.maxSessions, 1, MAX_SESSIONS);
    maxSessionsPerNetwork =
        options.maxSessionsPerNetwork == 0
            ? maxSessions
            : Checks.range(
                "--max-sessions-per-network", options.maxSessionsPerNetwork, 1, maxSessions);
    sessionsPerSecond =
        Checks.range("--sessions-per-second", options.sessionsPerSecond, 0, MAX_SESSIONS);
    rate = rate("--rate", options.rate);
    serviceRate = rate("--service-rate", options.serviceRate);
    allowed = addresses("--allow", options.allow);
    denied = addresses("--deny", options.deny);
    allowedAgents = addresses("--allow-agents", options.allowAgents);
    loadBalancers = addresses("--accept-proxy-from", options.acceptProxyFrom);
    shared = new SharedSettings(options.shared());
    isReloadable =
        shared.hasConfigFile()
            || services.stream().anyMatch(service -> service.keys.file() != null);
    idleTimeout = Checks.rangeOrOff("--idle-timeout", options.idleTimeout, second, MAX_TIMEOUT);
    halfCloseTimeout =
        Checks.range("--half-close-timeout", options.halfCloseTimeout, second, MAX_TIMEOUT);
    admin = AdminSettings.of(options.shared());
  }

  private static long rate(String name, long bytesPerSecond) {
    if (bytesPerSecond != 0 && (bytesPerSecond < MIN_RATE || bytesPerSecond > MAX_RATE)) {
      throw new IllegalArgumentException(name + " must be from 16k to 1024g, or 0 for no limit");
    }
    return bytesPerSecond;
  }

  private static AddressList addresses(String name, @Nullable String text) {
    return text == null ? AddressList.EMPTY : AddressList.parse(name, text);
  }

  @Override
  public SharedSettings shared() {
    return shared;
  }

  @Override
  public void compare(RelayConfig next, ConfigChanges changes) {
    changes.atOnce("services", ports(), next.ports());
    changes.atOnce("--close-without-agent", closesWithoutAgent(), next.closesWithoutAgent());
    changes.atOnce("--queue-timeout", queueTimeout, next.queueTimeout);
    changes.atOnce("--max-sessions", maxSessions, next.maxSessions);
    changes.atOnce("--max-sessions-per-network", maxSessionsPerNetwork, next.maxSessionsPerNetwork);
    changes.atOnce("--sessions-per-second", sessionsPerSecond, next.sessionsPerSecond);
    changes.atOnce("--pool", pool, next.pool);
    changes.atOnce("--rate", rate, next.rate);
    changes.atOnce("--service-rate", serviceRate, next.serviceRate);
    changes.atOnce("--allow", allowed, next.allowed);
    changes.atOnce("--deny", denied, next.denied);
    changes.atOnce("--allow-agents", allowedAgents, next.allowedAgents);
    changes.atOnce("--accept-proxy-from", loadBalancers, next.loadBalancers);
    changes.needsRestart("--admin, --admin-password-file", admin, next.admin);
    changes.needsRestart("--bind", bind, next.bind);
    changes.needsRestart("--detect-timeout", detectTimeout, next.detectTimeout);
    changes.needsRestart("--idle-timeout", idleTimeout, next.idleTimeout);
    changes.needsRestart("--half-close-timeout", halfCloseTimeout, next.halfCloseTimeout);
  }

  private boolean closesWithoutAgent() {
    return services.stream().anyMatch(service -> service.closeWithoutAgent);
  }

  private Map<ServiceName, Integer> ports() {
    return services.stream()
        .collect(Collectors.toMap(service -> service.name, service -> service.port));
  }

  DispatcherSettings dispatcherSettings() {
    return DispatcherSettings.of(pool, queueTimeout, maxSessions)
        .withSessionsPerNetwork(maxSessionsPerNetwork)
        .withRates(rate, serviceRate);
  }

  AccessRules accessRules() {
    return AccessRules.of(allowed, denied, allowedAgents, sessionsPerSecond);
  }
}
