package io.c2crelay.agent;

import io.c2crelay.agent.connect.Proxy;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.data.Forward;
import io.c2crelay.common.admin.AdminSettings;
import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.ConfigChanges;
import io.c2crelay.common.cli.Reloader;
import io.c2crelay.common.cli.SharedSettings;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.transport.Transport;
import io.netty.channel.ChannelException;
import io.netty.channel.epoll.EpollSocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Immutable, validated agent configuration. Fields are named after their options. */
final class AgentConfig implements Reloader.Config<AgentConfig> {
  private static final int MAX_FORWARDS = 16;

  /** Less than the relay's timeout of 5 s for the answer to START. */
  private static final Duration MAX_CONNECT_TIMEOUT = Duration.ofSeconds(4);

  /** A dial of a data connection has the same timeout. */
  private static final Duration MAX_RELAY_TIMEOUT = Duration.ofSeconds(10);

  private static final int MAX_LABEL_BYTES = 64;

  /** The services that the agent offers, each with its target and key; at least one. */
  final List<Forward> forwards;

  /** The relays, at least one; the agent attaches to each. */
  final List<Route> relays;

  /** Whether the agent attaches to each address of a relay's name. */
  final boolean allAddresses;

  /**
   * The agent's name in the relay's log: at most 64 bytes of UTF-8, without control characters, may
   * be empty.
   */
  final String label;

  /** The proxy between agent and relay, or null. */
  final @Nullable Proxy proxy;

  /** The connect timeout for each address of the relay. */
  final Duration relayTimeout;

  /** The connect timeout for each address of the target. */
  final Duration connectTimeout;

  /** Whether connections to targets have the user's address as source. */
  final boolean transparent;

  /** The admin endpoint; null if it is off. */
  final @Nullable AdminSettings admin;

  /** Whether TLS precedes the preamble on connections to the relay. */
  final boolean tlsFirst;

  /** Whether options or keys come from files, so that SIGHUP can reload them. */
  final boolean isReloadable;

  private final SharedSettings shared;

  /**
   * Validates the options of a command line.
   *
   * @param keysAreOfFiles whether at least one key comes from a file
   * @throws IllegalArgumentException if a value is invalid; the message names its option
   * @throws StartupException if the transport is not available
   */
  AgentConfig(
      AgentCommand options, List<Forward> forwards, boolean keysAreOfFiles, @Nullable Proxy proxy)
      throws StartupException {
    this.forwards = Collections.unmodifiableList(new ArrayList<>(forwards));
    Checks.range("the number of services", forwards.size(), 1, MAX_FORWARDS);
    if (forwards.stream().map(Forward::service).distinct().count() < forwards.size()) {
      throw new IllegalArgumentException("each service can be offered once");
    }
    relays = relays(options.relayHost, options.relayPort);
    Checks.range("services times relays", forwards.size() * relays.size(), 1, MAX_FORWARDS);
    allAddresses = options.allAddresses;
    if (allAddresses && proxy != null) {
      throw new IllegalArgumentException("--all-addresses looks names up, but --proxy does that");
    }
    this.proxy = proxy;
    relayTimeout =
        Checks.range(
            "--relay-timeout", options.relayTimeout, Duration.ofMillis(100), MAX_RELAY_TIMEOUT);
    tlsFirst = options.tlsFirst;
    label = validLabel(options.label);
    connectTimeout =
        Checks.range(
            "--connect-timeout",
            options.connectTimeout,
            Duration.ofMillis(100),
            MAX_CONNECT_TIMEOUT);
    shared = new SharedSettings(options.shared());
    isReloadable = shared.hasConfigFile() || keysAreOfFiles;
    admin = AdminSettings.of(options.shared());
    transparent = options.transparent;
    if (transparent) {
      checkTransparent(shared.transport());
    }
  }

  @Override
  public SharedSettings shared() {
    return shared;
  }

  @Override
  public void compare(AgentConfig next, ConfigChanges changes) {
    changes.atOnce("services", new HashSet<>(forwards), new HashSet<>(next.forwards));
    changes.atOnce("relays", new HashSet<>(relays), new HashSet<>(next.relays));
    changes.needsRestart("--all-addresses", allAddresses, next.allAddresses);
    changes.needsRestart("--label", label, next.label);
    changes.needsRestart("--proxy", proxy, next.proxy);
    changes.needsRestart("--relay-timeout", relayTimeout, next.relayTimeout);
    changes.needsRestart("--connect-timeout", connectTimeout, next.connectTimeout);
    changes.needsRestart("--transparent", transparent, next.transparent);
    changes.needsRestart("--tls-first", tlsFirst, next.tlsFirst);
    changes.needsRestart("--admin, --admin-password-file", admin, next.admin);
  }

  private static List<Route> relays(String hosts, int port) {
    Checks.range("RELAY_PORT", port, 1, 65535);
    List<Route> relays = new ArrayList<>();
    for (String host : hosts.split(",", -1)) {
      relays.add(Route.of(Checks.host("RELAY_HOST", host), port));
    }
    if (relays.stream().distinct().count() < relays.size()) {
      throw new IllegalArgumentException("RELAY_HOST has a relay twice");
    }
    return Collections.unmodifiableList(relays);
  }

  private static void checkTransparent(Transport transport) throws StartupException {
    if (transport != Transport.EPOLL) {
      throw new IllegalArgumentException("--transparent needs epoll, which is Linux's");
    }
    EpollSocketChannel channel = new EpollSocketChannel();
    try {
      channel.config().setIpTransparent(true);
    } catch (ChannelException e) {
      throw new StartupException("--transparent needs root or CAP_NET_ADMIN", e);
    } finally {
      channel.unsafe().closeForcibly();
    }
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
}
