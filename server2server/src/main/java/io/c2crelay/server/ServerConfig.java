package io.c2crelay.server;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.Limits;
import io.c2crelay.common.transport.Transport;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a relay is told at its start: immutable and within bounds. Each accessor has the name of its
 * option.
 */
public final class ServerConfig {
  static final Duration DEFAULT_GRACE = Duration.ofMillis(25);
  static final int DEFAULT_POOL = 4;
  static final Duration DEFAULT_WAIT = Duration.ofSeconds(15);
  static final Duration DEFAULT_IDLE_TIMEOUT = Duration.ZERO;
  static final Duration DEFAULT_HALF_CLOSE_TIMEOUT = Duration.ofHours(1);

  private static final int MAX_POOL = 64;
  private static final int MAX_SESSIONS = 1_000_000;
  private static final Duration MAX_TIMEOUT = Duration.ofDays(30);

  private final SharedKey key;
  private final @Nullable String bind;
  private final int port;
  private final Duration grace;
  private final int pool;
  private final Duration waitLimit;
  private final int maxSessions;
  private final Duration idleTimeout;
  private final Duration halfCloseTimeout;
  private final Duration drain;
  private final long sessionMemory;
  private final Transport transport;
  private final int threads;

  private ServerConfig(Builder from) {
    Duration second = Duration.ofSeconds(1);
    key = from.key;
    bind = from.bind == null ? null : Limits.host("--bind", from.bind);
    port = Limits.range("PORT", from.port, 0, 65535);
    grace = Limits.range("--grace", from.grace, Duration.ofMillis(1), Duration.ofSeconds(10));
    pool = Limits.range("--pool", from.pool, 0, MAX_POOL);
    waitLimit = Limits.range("--wait", from.waitLimit, Duration.ofMillis(100), Duration.ofHours(1));
    maxSessions = Limits.range("--max-sessions", from.maxSessions, 1, MAX_SESSIONS);
    idleTimeout = Limits.rangeOrOff("--idle-timeout", from.idleTimeout, second, MAX_TIMEOUT);
    halfCloseTimeout =
        Limits.range("--half-close-timeout", from.halfCloseTimeout, second, MAX_TIMEOUT);
    drain = Limits.drain(from.drain);
    sessionMemory = Limits.sessionMemory(from.sessionMemory);
    threads = Limits.threads(from.threads);
    transport = from.transport == null ? Transport.best() : from.transport;
  }

  /** A configuration with every default; {@code port} 0 takes a free one. */
  public static Builder builder(SharedKey key, int port) {
    return new Builder(key, port);
  }

  /** The key shared with the agents. */
  public SharedKey key() {
    return key;
  }

  /** The address or name to listen on, without brackets; null for all of IPv4 and IPv6. */
  public @Nullable String bind() {
    return bind;
  }

  /** The port to listen on, 0 for a free one. */
  public int port() {
    return port;
  }

  /** How long a silent connection may be an agent's whose preamble is under way. */
  public Duration grace() {
    return grace;
  }

  /** Warm connections per agent, 0 to dial for each session. */
  public int pool() {
    return pool;
  }

  /** How long a user waits for an agent. */
  public Duration waitLimit() {
    return waitLimit;
  }

  /** The most sessions at once, at least 1. */
  public int maxSessions() {
    return maxSessions;
  }

  /** After how long without a byte either way a session is aborted; zero for never. */
  public Duration idleTimeout() {
    return idleTimeout;
  }

  /** After how long without a byte a half-closed session is aborted. */
  public Duration halfCloseTimeout() {
    return halfCloseTimeout;
  }

  /** How long running sessions may go on after a stop signal; zero ends them at once. */
  public Duration drain() {
    return drain;
  }

  /** What all sessions together may buffer, in bytes. */
  public long sessionMemory() {
    return sessionMemory;
  }

  /** How to reach the kernel. */
  public Transport transport() {
    return transport;
  }

  /** The number of event loops, at least 1. */
  public int threads() {
    return threads;
  }

  /** Gathers a configuration; values are checked in {@link #build()}. */
  public static final class Builder {
    private final SharedKey key;
    private final int port;
    private @Nullable String bind;
    private Duration grace = DEFAULT_GRACE;
    private int pool = DEFAULT_POOL;
    private Duration waitLimit = DEFAULT_WAIT;
    private int maxSessions = Descriptors.defaultMaxSessions();
    private Duration idleTimeout = DEFAULT_IDLE_TIMEOUT;
    private Duration halfCloseTimeout = DEFAULT_HALF_CLOSE_TIMEOUT;
    private Duration drain = Limits.DEFAULT_DRAIN;
    private long sessionMemory = Limits.defaultSessionMemory();
    private @Nullable Transport transport;
    private int threads;

    private Builder(SharedKey key, int port) {
      this.key = requireNonNull(key, "key");
      this.port = port;
    }

    /** See {@link ServerConfig#bind()}; brackets around an IPv6 address are removed. */
    public Builder bind(@Nullable String value) {
      bind = value;
      return this;
    }

    /** See {@link ServerConfig#grace()}; 1 ms to 10 s. */
    public Builder grace(Duration value) {
      grace = value;
      return this;
    }

    /** See {@link ServerConfig#pool()}; 0 to 64. */
    public Builder pool(int value) {
      pool = value;
      return this;
    }

    /** See {@link ServerConfig#waitLimit()}; 100 ms to 1 h. */
    public Builder waitLimit(Duration value) {
      waitLimit = value;
      return this;
    }

    /** See {@link ServerConfig#maxSessions()}; 1 to a million. */
    public Builder maxSessions(int value) {
      maxSessions = value;
      return this;
    }

    /** See {@link ServerConfig#idleTimeout()}; zero, or 1 s to 720 h. */
    public Builder idleTimeout(Duration value) {
      idleTimeout = value;
      return this;
    }

    /** See {@link ServerConfig#halfCloseTimeout()}; 1 s to 720 h. */
    public Builder halfCloseTimeout(Duration value) {
      halfCloseTimeout = value;
      return this;
    }

    /** See {@link ServerConfig#drain()}; zero to 24 h. */
    public Builder drain(Duration value) {
      drain = value;
      return this;
    }

    /** See {@link ServerConfig#sessionMemory()}; 64 KiB to 1 TiB. */
    public Builder sessionMemory(long bytes) {
      sessionMemory = bytes;
      return this;
    }

    /** See {@link ServerConfig#transport()}; the best one unless set. */
    public Builder transport(Transport value) {
      transport = requireNonNull(value, "transport");
      return this;
    }

    /** See {@link ServerConfig#threads()}; 0 for one per core, at most 256. */
    public Builder threads(int value) {
      threads = value;
      return this;
    }

    /**
     * Checks and seals.
     *
     * @throws IllegalArgumentException if a value is out of bounds; the message names its option
     */
    public ServerConfig build() {
      return new ServerConfig(this);
    }
  }
}
