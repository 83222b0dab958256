package io.c2crelay.relay;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.admin.StatusCommand;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.CliCommand;
import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.DurationOrOff;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.cli.Reloader;
import io.c2crelay.common.cli.Running;
import io.c2crelay.common.cli.SharedOptions;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ServiceName;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The {@code server2server} command. */
@Command(
    name = "server2server",
    abbreviateSynopsis = true,
    description = "Relays TCP connections from one public port to a target behind an agent.",
    footer = {
      "",
      "Without a key, one is generated and printed. C2C_KEY in the environment can hold the key.",
      "Times: 500ms, 15 or 15s, 2m, 1h. Sizes: 64k, 1m, 2g. Arguments after -- are never options.",
      "server2server status [HOST:]PORT prints the status of a relay that runs with --admin.",
      "Exit codes: 0 after a clean stop, 1 if startup failed, 2 for a command line error."
    })
public final class RelayCommand implements CliCommand<RelayConfig> {

  /** Starts a relay; replaced in tests. */
  interface Starter {
    Running<RelayConfig> start(RelayConfig config) throws StartupException;
  }

  private static final Pattern SERVICE = Pattern.compile("([^=,]*)=([0-9]{1,5})(?:,(.+))?");

  private final Starter starter;
  private @Nullable String generatedKey;

  /** A key that is generated after the start would not be printed. */
  private boolean started;

  @Mixin private SharedOptions shared = new SharedOptions();

  @Parameters(
      index = "0",
      paramLabel = "PORT",
      description = "The port for users and agents; 0 binds a free port and logs it.")
  private int port;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "KEY",
      description =
          "The key shared with the agents. Process lists show arguments: prefer a key file.")
  private @Nullable String key;

  @Option(
      names = "--service",
      paramLabel = "NAME=PORT[,KEYFILE]",
      description =
          "A further service, on a port of its own; repeatable. Without KEYFILE it has the keys"
              + " of the first (default: none).")
  private List<String> services = new ArrayList<>();

  @Option(
      names = "--close-without-agent",
      description =
          "Close the port of a --service while no agent is attached for it, so that load balancers"
              + " notice. PORT stays open, for agents.")
  private boolean closeWithoutAgent;

  @Option(
      names = "--bind",
      paramLabel = "ADDRESS",
      description = "Listen on this address only (default: all, IPv4 and IPv6).")
  @Nullable String bind;

  @Option(
      names = "--detect-timeout",
      paramLabel = "TIME",
      description =
          "Time after which a silent connection counts as a user (default: ${DEFAULT-VALUE}).")
  Duration detectTimeout = Duration.ofMillis(25);

  @Option(
      names = "--pool",
      paramLabel = "N",
      description =
          "Warm connections per agent; 0 dials for each session (default: ${DEFAULT-VALUE}).")
  int pool = 4;

  @Option(
      names = "--queue-timeout",
      paramLabel = "TIME",
      description = "How long a user waits for an agent (default: ${DEFAULT-VALUE}).")
  Duration queueTimeout = Duration.ofSeconds(15);

  @Option(
      names = "--max-sessions",
      paramLabel = "N",
      description =
          "Maximum number of sessions (default: the lower of 4096 and"
              + " (file descriptors - 512) / 2, here ${DEFAULT-VALUE}).")
  int maxSessions = DescriptorLimit.sessionsWithin(DescriptorLimit.get());

  @Option(
      names = "--max-sessions-per-network",
      paramLabel = "N",
      description =
          "Maximum number of sessions of one IPv4 address or IPv6 /64 network (default: all).")
  int maxSessionsPerNetwork;

  @Option(
      names = "--sessions-per-second",
      paramLabel = "N",
      description =
          "New sessions in a second from one address or /64 network; 0: any (default:"
              + " ${DEFAULT-VALUE}).")
  int sessionsPerSecond;

  @Option(
      names = "--rate",
      paramLabel = "SIZE",
      description = "Bytes in a second of a session, each way; 0: any (default: ${DEFAULT-VALUE}).")
  long rate;

  @Option(
      names = "--service-rate",
      paramLabel = "SIZE",
      description =
          "Bytes in a second of all sessions of a service together, each way; 0: any (default:"
              + " ${DEFAULT-VALUE}).")
  long serviceRate;

  @Option(
      names = "--allow",
      paramLabel = "CIDR[,CIDR]",
      description = "Accept users from these networks only (default: from anywhere).")
  @Nullable String allow;

  @Option(
      names = "--deny",
      paramLabel = "CIDR[,CIDR]",
      description =
          "Accept no users from these networks, also if they are allowed (default: none).")
  @Nullable String deny;

  @Option(
      names = "--allow-agents",
      paramLabel = "CIDR[,CIDR]",
      description = "Accept agents from these networks only (default: from anywhere).")
  @Nullable String allowAgents;

  @Option(
      names = "--accept-proxy-from",
      paramLabel = "CIDR[,CIDR]",
      description =
          "Load balancers whose connections begin with a PROXY header, which has the client's"
              + " address (default: none).")
  @Nullable String acceptProxyFrom;

  @Option(
      names = "--idle-timeout",
      paramLabel = "TIME",
      converter = DurationOrOff.class,
      description = "Abort a session that is idle for this long (default: ${DEFAULT-VALUE}).")
  Duration idleTimeout = Duration.ZERO;

  @Option(
      names = "--half-close-timeout",
      paramLabel = "TIME",
      description =
          "Abort a session that is half closed and idle for this long (default: ${DEFAULT-VALUE}).")
  Duration halfCloseTimeout = Duration.ofHours(1);

  RelayCommand(Starter starter) {
    this.starter = requireNonNull(starter, "starter");
  }

  /** Runs the relay until a stop signal, or prints its status; then exits the process. */
  public static void main(String[] args) {
    if (StatusCommand.isRequested(args)) {
      StatusCommand.main("server2server", args);
    } else {
      CliRunner.main(new RelayCommand(RelayCommand::startRelay), args);
    }
  }

  private static Running<RelayConfig> startRelay(RelayConfig config) throws StartupException {
    Relay relay = Relay.start(config);
    return Running.of(
        relay::drain,
        config.isReloadable ? new Reloader<>(config, relay::apply)::reload : null,
        config.admin == null
            ? Collections.emptyMap()
            : Collections.singletonMap("USR1", relay::logStatus));
  }

  @Override
  public SharedOptions shared() {
    return shared;
  }

  @Override
  public RelayConfig config(Map<String, String> env) throws StartupException {
    KeySource keys = keysOrGenerated(env);
    List<ServiceConfig> configured = new ArrayList<>();
    if (closeWithoutAgent && services.isEmpty()) {
      throw new IllegalArgumentException(
          "--close-without-agent needs --service: PORT stays open, for agents");
    }
    configured.add(new ServiceConfig("PORT", ServiceName.DEFAULT, port, keys, false));
    for (String service : services) {
      configured.add(parseService(service, keys));
    }
    return new RelayConfig(this, configured);
  }

  /** Starts the relay, then prints a generated key, so that the key is usable once printed. */
  @Override
  public Running<RelayConfig> start(RelayConfig config, PrintStream out) throws StartupException {
    Running<RelayConfig> relay = starter.start(config);
    started = true;
    if (generatedKey != null) {
      out.print("Generated API Auth Key :\n" + generatedKey + "\n");
      if (out.checkError()) {
        throw new StartupException("the generated key cannot be written to standard output");
      }
    }
    return relay;
  }

  private KeySource keysOrGenerated(Map<String, String> env) throws StartupException {
    KeySource given = shared.keys(key, env);
    if (given != null) {
      return given;
    }
    if (generatedKey == null && started) {
      throw new IllegalArgumentException("there is no key any more; a new one needs a restart");
    }
    if (generatedKey == null) {
      generatedKey = KeySource.generate();
    }
    return KeySource.of(SharedKey.of(generatedKey));
  }

  private ServiceConfig parseService(String text, KeySource defaultKeys) throws StartupException {
    Matcher form = SERVICE.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException("--service needs NAME=PORT or NAME=PORT,KEYFILE");
    }
    ServiceName name = ServiceName.parse("--service", requireNonNull(form.group(1)));
    if (name.isDefault()) {
      throw new IllegalArgumentException("--service default is that of PORT and KEY");
    }
    String file = form.group(3);
    KeySource keys =
        file == null ? defaultKeys : KeySource.ofFile(file, "the key file of service " + name);
    int port = Integer.parseInt(requireNonNull(form.group(2)));
    return new ServiceConfig("the port of --service", name, port, keys, closeWithoutAgent);
  }
}
