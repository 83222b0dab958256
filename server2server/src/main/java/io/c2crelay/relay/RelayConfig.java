package io.c2crelay.relay;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Transport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Immutable, validated relay configuration. Each accessor has the name of its option. */
public final class RelayConfig {
  static final Duration DEFAULT_DETECT_TIMEOUT = Duration.ofMillis(25);
  static final int DEFAULT_POOL = 4;
  static final Duration DEFAULT_QUEUE_TIMEOUT = Duration.ofSeconds(15);
  static final Duration DEFAULT_IDLE_TIMEOUT = Duration.ZERO;
  static final Duration DEFAULT_HALF_CLOSE_TIMEOUT = Duration.ofHours(1);

  private static final int MAX_POOL = 64;
  private static final int MAX_SESSIONS = 1_000_000;
  private static final Duration MAX_TIMEOUT = Duration.ofDays(30);

  private static final int MAX_SERVICES = 64;

  private final List<ServiceConfig> services;
  private final @Nullable String bind;
  private final Duration detectTimeout;
  private final int pool;
  private final Duration queueTimeout;
  private final int maxSessions;
  private final Duration idleTimeout;
  private final Duration halfCloseTimeout;
  private final Duration drain;
  private final long sessionMemory;
  private final Transport transport;
  private final int threads;

  private RelayConfig(Builder from) {
    Duration second = Duration.ofSeconds(1);
    services = Collections.unmodifiableList(new ArrayList<>(from.services));
    Checks.range("the number of services", services.size(), 1, MAX_SERVICES);
    if (services.stream().map(ServiceConfig::name).distinct().count() < services.size()) {
      throw new IllegalArgumentException("each service needs a name of its own");
    }
    bind = from.bind == null ? null : Checks.host("--bind", from.bind);
    detectTimeout =
        Checks.range(
            "--detect-timeout", from.detectTimeout, Duration.ofMillis(1), Duration.ofSeconds(10));
    pool = Checks.range("--pool", from.pool, 0, MAX_POOL);
    queueTimeout =
        Checks.range(
            "--queue-timeout", from.queueTimeout, Duration.ofMillis(100), Duration.ofHours(1));
    maxSessions = Checks.range("--max-sessions", from.maxSessions, 1, MAX_SESSIONS);
    idleTimeout = Checks.rangeOrOff("--idle-timeout", from.idleTimeout, second, MAX_TIMEOUT);
    halfCloseTimeout =
        Checks.range("--half-close-timeout", from.halfCloseTimeout, second, MAX_TIMEOUT);
    drain = Checks.drain(from.drain);
    sessionMemory = Checks.sessionMemory(from.sessionMemory);
    threads = Checks.threads(from.threads);
    transport = from.transport == null ? Transport.best() : from.transport;
  }

  /** A builder with the defaults and the default service; {@code port} 0 binds a free port. */
  public static Builder builder(KeySource keys, int port) {
    return new Builder(ServiceConfig.of("PORT", ServiceName.DEFAULT, port, keys));
  }

  /** The services, the default one first. */
  public List<ServiceConfig> services() {
    return services;
  }

  /** Whether a service has keys from a file, which can be read again. */
  public boolean hasKeyFile() {
    return services.stream().anyMatch(service -> service.keys().file() != null);
  }

  /** The address or host name to listen on, without brackets; null for all addresses. */
  public @Nullable String bind() {
    return bind;
  }

  /** How long to wait for the first byte before a connection counts as a silent user. */
  public Duration detectTimeout() {
    return detectTimeout;
  }

  /** The number of warm connections per agent; 0 to dial for each session. */
  public int pool() {
    return pool;
  }

  /** How long a user waits for an agent. */
  public Duration queueTimeout() {
    return queueTimeout;
  }

  /** The maximum number of sessions, waiting users included. */
  public int maxSessions() {
    return maxSessions;
  }

  /** How long a session may be idle in both directions before it is aborted; zero for no limit. */
  public Duration idleTimeout() {
    return idleTimeout;
  }

  /** How long a half-closed session may be idle before it is aborted. */
  public Duration halfCloseTimeout() {
    return halfCloseTimeout;
  }

  /** How long running sessions may continue after a stop signal; zero aborts them at once. */
  public Duration drain() {
    return drain;
  }

  /** The limit on the bytes that all sessions together buffer. */
  public long sessionMemory() {
    return sessionMemory;
  }

  /** The Netty transport. */
  public Transport transport() {
    return transport;
  }

  /** The number of event loops, at least 1. */
  public int threads() {
    return threads;
  }

  /** Builds a configuration; {@link #build()} validates the values. */
  public static final class Builder {
    private final List<ServiceConfig> services = new ArrayList<>();
    private @Nullable String bind;
    private Duration detectTimeout = DEFAULT_DETECT_TIMEOUT;
    private int pool = DEFAULT_POOL;
    private Duration queueTimeout = DEFAULT_QUEUE_TIMEOUT;
    private int maxSessions = DescriptorLimit.sessionsWithin(DescriptorLimit.get());
    private Duration idleTimeout = DEFAULT_IDLE_TIMEOUT;
    private Duration halfCloseTimeout = DEFAULT_HALF_CLOSE_TIMEOUT;
    private Duration drain = Checks.DEFAULT_DRAIN;
    private long sessionMemory = Checks.defaultSessionMemory();
    private @Nullable Transport transport;
    private int threads;

    private Builder(ServiceConfig defaultService) {
      services.add(defaultService);
    }

    /** Adds a service. */
    public Builder service(ServiceConfig service) {
      services.add(requireNonNull(service, "service"));
      return this;
    }

    /** See {@link RelayConfig#bind()}; brackets around an IPv6 address are removed. */
    public Builder bind(@Nullable String value) {
      bind = value;
      return this;
    }

    /** See {@link RelayConfig#detectTimeout()}; 1 ms to 10 s. */
    public Builder detectTimeout(Duration value) {
      detectTimeout = value;
      return this;
    }

    /** See {@link RelayConfig#pool()}; 0 to 64. */
    public Builder pool(int value) {
      pool = value;
      return this;
    }

    /** See {@link RelayConfig#queueTimeout()}; 100 ms to 1 h. */
    public Builder queueTimeout(Duration value) {
      queueTimeout = value;
      return this;
    }

    /** See {@link RelayConfig#maxSessions()}; 1 to a million. */
    public Builder maxSessions(int value) {
      maxSessions = value;
      return this;
    }

    /** See {@link RelayConfig#idleTimeout()}; zero, or 1 s to 720 h. */
    public Builder idleTimeout(Duration value) {
      idleTimeout = value;
      return this;
    }

    /** See {@link RelayConfig#halfCloseTimeout()}; 1 s to 720 h. */
    public Builder halfCloseTimeout(Duration value) {
      halfCloseTimeout = value;
      return this;
    }

    /** See {@link RelayConfig#drain()}; zero to 24 h. */
    public Builder drain(Duration value) {
      drain = value;
      return this;
    }

    /** See {@link RelayConfig#sessionMemory()}; 64 KiB to 1 TiB. */
    public Builder sessionMemory(long bytes) {
      sessionMemory = bytes;
      return this;
    }

    /** See {@link RelayConfig#transport()}; default: {@link Transport#best()}. */
    public Builder transport(Transport value) {
      transport = requireNonNull(value, "transport");
      return this;
    }

    /** See {@link RelayConfig#threads()}; 0 for one per core, at most 256. */
    public Builder threads(int value) {
      threads = value;
      return this;
    }

    /**
     * Validates the values and builds the configuration.
     *
     * @throws IllegalArgumentException if a value is out of bounds; the message names its option
     */
    public RelayConfig build() {
      return new RelayConfig(this);
    }
  }
}
