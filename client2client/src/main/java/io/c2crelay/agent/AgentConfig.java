package io.c2crelay.agent;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.data.Forward;
import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.transport.Transport;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Immutable, validated agent configuration. Accessors are named after their options. */
public final class AgentConfig {
  static final Duration DEFAULT_CONNECT_TIMEOUT = Duration.ofSeconds(3);

  /** Less than the 5 s that the relay waits for the answer to START. */
  private static final Duration MAX_CONNECT_TIMEOUT = Duration.ofSeconds(4);

  private static final int MAX_LABEL_BYTES = 64;

  private static final int MAX_FORWARDS = 32;

  private final List<Forward> forwards;
  private final String relayHost;
  private final int relayPort;
  private final String label;
  private final Duration connectTimeout;
  private final Duration drain;
  private final long sessionMemory;
  private final Transport transport;
  private final int threads;

  private AgentConfig(Builder from) {
    forwards = Collections.unmodifiableList(new ArrayList<>(from.forwards));
    Checks.range("the number of services", forwards.size(), 1, MAX_FORWARDS);
    if (forwards.stream().map(Forward::service).distinct().count() < forwards.size()) {
      throw new IllegalArgumentException("each service can be offered once");
    }
    relayHost = Checks.host("RELAY_HOST", from.relayHost);
    relayPort = Checks.range("RELAY_PORT", from.relayPort, 1, 65535);
    label = validLabel(from.label == null ? HostName.get() : from.label);
    connectTimeout =
        Checks.range(
            "--connect-timeout", from.connectTimeout, Duration.ofMillis(100), MAX_CONNECT_TIMEOUT);
    drain = Checks.drain(from.drain);
    sessionMemory = Checks.sessionMemory(from.sessionMemory);
    threads = Checks.threads(from.threads);
    transport = from.transport == null ? Transport.best() : from.transport;
  }

  /** A builder with all defaults. */
  public static Builder builder(Forward first, String relayHost, int relayPort) {
    return new Builder(first, relayHost, relayPort);
  }

  /** The services that the agent offers, each with its target and key; at least one. */
  public List<Forward> forwards() {
    return forwards;
  }

  /** The relay's name or address, without brackets. */
  public String relayHost() {
    return relayHost;
  }

  /** The relay's port, 1 to 65535. */
  public int relayPort() {
    return relayPort;
  }

  /**
   * The agent's name in the relay's log: at most 64 bytes of UTF-8, without control characters, may
   * be empty.
   */
  public String label() {
    return label;
  }

  /** The connect timeout for each address of the target. */
  public Duration connectTimeout() {
    return connectTimeout;
  }

  /** How long sessions may continue after a stop signal; zero aborts them at once. */
  public Duration drain() {
    return drain;
  }

  /** The limit on bytes buffered by all sessions together. */
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

  private static String validLabel(String label) {
    boolean encodable = StandardCharsets.UTF_8.newEncoder().canEncode(label);
    boolean fits = label.getBytes(StandardCharsets.UTF_8).length <= MAX_LABEL_BYTES;
    if (!encodable || !fits || label.chars().anyMatch(Character::isISOControl)) {
      throw new IllegalArgumentException(
          "--label must be at most "
              + MAX_LABEL_BYTES
              + " bytes of UTF-8 without control characters");
    }
    return label;
  }

  /** Builds a configuration; {@link #build()} validates the values. */
  public static final class Builder {
    private final List<Forward> forwards = new ArrayList<>();
    private final String relayHost;
    private final int relayPort;
    private @Nullable String label;
    private Duration connectTimeout = DEFAULT_CONNECT_TIMEOUT;
    private Duration drain = Checks.DEFAULT_DRAIN;
    private long sessionMemory = Checks.defaultSessionMemory();
    private @Nullable Transport transport;
    private int threads;

    private Builder(Forward first, String relayHost, int relayPort) {
      forwards.add(requireNonNull(first, "first"));
      this.relayHost = requireNonNull(relayHost, "relayHost");
      this.relayPort = relayPort;
    }

    /** Adds a service to {@link AgentConfig#forwards()}. */
    public Builder forward(Forward forward) {
      forwards.add(requireNonNull(forward, "forward"));
      return this;
    }

    /** See {@link AgentConfig#label()}; the local host name unless set. */
    public Builder label(String value) {
      label = requireNonNull(value, "label");
      return this;
    }

    /** See {@link AgentConfig#connectTimeout()}; 100 ms to 4 s. */
    public Builder connectTimeout(Duration value) {
      connectTimeout = value;
      return this;
    }

    /** See {@link AgentConfig#drain()}; zero to 24 h. */
    public Builder drain(Duration value) {
      drain = value;
      return this;
    }

    /** See {@link AgentConfig#sessionMemory()}; 64 KiB to 1 TiB. */
    public Builder sessionMemory(long bytes) {
      sessionMemory = bytes;
      return this;
    }

    /** See {@link AgentConfig#transport()}; the best available one unless set. */
    public Builder transport(Transport value) {
      transport = requireNonNull(value, "transport");
      return this;
    }

    /** See {@link AgentConfig#threads()}; 0 for one per core, at most 256. */
    public Builder threads(int value) {
      threads = value;
      return this;
    }

    /**
     * Validates the values and builds the configuration.
     *
     * @throws IllegalArgumentException if a value is invalid; the message names its option
     */
    public AgentConfig build() {
      return new AgentConfig(this);
    }
  }
}
