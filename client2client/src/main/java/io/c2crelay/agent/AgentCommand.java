package io.c2crelay.agent;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.Proxy;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.data.Forward;
import io.c2crelay.agent.data.ProxyProtocol;
import io.c2crelay.common.admin.StatusCommand;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.CliCommand;
import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.cli.Reloader;
import io.c2crelay.common.cli.Running;
import io.c2crelay.common.cli.SharedOptions;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.cli.TextFile;
import io.c2crelay.common.protocol.ServiceName;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command that runs the agent. */
@Command(
    name = "client2client",
    abbreviateSynopsis = true,
    description = "Makes a TCP server reachable through a relay. Opens outbound connections only.",
    footer = {
      "",
      "A key is required: as KEY, with --key-file, or as C2C_KEY in the environment.",
      "Times: 500ms, 15 or 15s, 2m, 1h. Sizes: 64k, 1m, 2g. Arguments after -- are never options.",
      "client2client status [HOST:]PORT prints the status of an agent that runs with --admin.",
      "Exit codes: 0 after a clean stop, 1 if startup failed, 2 for a command line error."
    })
public final class AgentCommand implements CliCommand<AgentConfig> {

  /** Starts an agent; replaced in tests. */
  interface Starter {
    Running<AgentConfig> start(AgentConfig config) throws StartupException;
  }

  private static final Pattern FORWARD = Pattern.compile("([^=,]*)=([^,]+)(?:,(.+))?");

  private static final Pattern SEND_PROXY = Pattern.compile("(?:([^=]*)=)?(v[12])");

  private final Starter starter;

  @Mixin private SharedOptions shared = new SharedOptions();

  @Parameters(
      index = "0",
      paramLabel = "TARGET",
      description = "The server that users reach: a local PORT, HOST:PORT or [IPV6]:PORT.")
  private String target = "";

  @Parameters(
      index = "1",
      paramLabel = "RELAY_HOST",
      description = "The relay's name or address; of several relays with commas between.")
  String relayHost = "";

  @Parameters(index = "2", paramLabel = "RELAY_PORT", description = "The relay's port.")
  int relayPort;

  @Parameters(
      index = "3",
      arity = "0..1",
      paramLabel = "KEY",
      description = "The key shared with the relay. Process lists show arguments: prefer a file.")
  private @Nullable String key;

  @Option(
      names = "--service",
      paramLabel = "NAME",
      description = "The relay's service that TARGET is for (default: ${DEFAULT-VALUE}).")
  private String service = ServiceName.DEFAULT.toString();

  @Option(
      names = "--forward",
      paramLabel = "NAME=TARGET[,KEYFILE]",
      description =
          "A further service and its target; repeatable. Without KEYFILE it has the same key"
              + " (default: none).")
  private List<String> forwards = new ArrayList<>();

  @Option(
      names = "--all-addresses",
      arity = "0",
      description = "Attach to each address of RELAY_HOST, and follow changes of its name.")
  boolean allAddresses;

  @Option(
      names = "--relay-timeout",
      paramLabel = "TIME",
      description = "Connect timeout for each address of the relay (default: ${DEFAULT-VALUE}).")
  Duration relayTimeout = Duration.ofSeconds(3);

  @Option(
      names = "--proxy",
      paramLabel = "URL",
      description =
          "Connect to the relay through a proxy: http://[USER:PASSWORD@]HOST:PORT or socks5://…"
              + " (default: none).")
  private @Nullable String proxy;

  @Option(
      names = "--proxy-password-file",
      paramLabel = "FILE",
      description = "Read the password of the proxy's user from the first line (default: none).")
  private @Nullable String proxyPasswordFile;

  @Option(
      names = "--tls-first",
      arity = "0",
      description = "Begin connections to the relay with TLS, for networks that pass nothing else.")
  boolean tlsFirst;

  @Option(
      names = "--send-proxy",
      paramLabel = "[NAME=]VERSION",
      description =
          "Send the user's address to the target in a PROXY header, v1 or v2; repeatable: to that of"
              + " service NAME, or to all (default: none).")
  private List<String> sendProxy = new ArrayList<>();

  @Option(
      names = "--transparent",
      arity = "0",
      description = "Connect to the target from the user's address; Linux, as root.")
  boolean transparent;

  @Option(
      names = "--label",
      paramLabel = "NAME",
      description =
          "Name in the relay's log (default: the local host name, here \"${DEFAULT-VALUE}\").")
  String label = HostName.get();

  @Option(
      names = "--connect-timeout",
      paramLabel = "TIME",
      description = "Connect timeout for each address of the target (default: ${DEFAULT-VALUE}).")
  Duration connectTimeout = Duration.ofSeconds(3);

  AgentCommand(Starter starter) {
    this.starter = requireNonNull(starter, "starter");
  }

  /** Runs the agent until it is stopped, or prints its status; then exits the process. */
  public static void main(String[] args) {
    if (StatusCommand.isRequested(args)) {
      StatusCommand.main("client2client", args);
    } else {
      CliRunner.main(new AgentCommand(AgentCommand::startAgent), args);
    }
  }

  private static Running<AgentConfig> startAgent(AgentConfig config) throws StartupException {
    Agent agent = Agent.start(config);
    return Running.of(
        agent::drain,
        config.isReloadable ? new Reloader<>(config, agent::apply)::reload : null,
        config.admin == null
            ? Collections.emptyMap()
            : Collections.singletonMap("USR1", agent::logStatus));
  }

  @Override
  public SharedOptions shared() {
    return shared;
  }

  @Override
  public AgentConfig config(Map<String, String> env) throws StartupException {
    KeySource keys = shared.keys(key, env);
    if (keys == null) {
      throw new IllegalArgumentException(
          "a key is required: as KEY, with --key-file FILE, or in " + KeySource.ENVIRONMENT);
    }
    List<Forward> configured = new ArrayList<>();
    configured.add(
        Forward.of(ServiceName.parse("--service", service), Route.parse(target), keys.first()));
    for (String forward : forwards) {
      configured.add(parseForward(forward, keys.first()));
    }
    for (String proxy : sendProxy) {
      parseSendProxy(proxy, configured);
    }
    boolean keysAreOfFiles =
        keys.file() != null || forwards.stream().anyMatch(forward -> forward.contains(","));
    return new AgentConfig(this, configured, keysAreOfFiles, proxy());
  }

  @Override
  public Running<AgentConfig> start(AgentConfig config, PrintStream out) throws StartupException {
    return starter.start(config);
  }

  private @Nullable Proxy proxy() throws StartupException {
    String password =
        proxyPasswordFile == null
            ? null
            : TextFile.secret(proxyPasswordFile, "the file given with --proxy-password-file")
                .firstLine();
    if (proxy != null) {
      return Proxy.parse("--proxy", proxy, password);
    }
    if (password != null) {
      throw new IllegalArgumentException("--proxy-password-file needs --proxy");
    }
    return null;
  }

  /** Sets the PROXY header of the named service, or of all services. */
  private static void parseSendProxy(String text, List<Forward> forwards) {
    Matcher form = SEND_PROXY.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException("--send-proxy needs v1, v2, NAME=v1 or NAME=v2");
    }
    String name = form.group(1);
    ServiceName service = name == null ? null : ServiceName.parse("--send-proxy", name);
    ProxyProtocol version =
        ProxyProtocol.valueOf(requireNonNull(form.group(2)).toUpperCase(Locale.ROOT));
    if (service != null && forwards.stream().noneMatch(f -> f.service().equals(service))) {
      throw new IllegalArgumentException("--send-proxy names a service that is not offered");
    }
    forwards.replaceAll(
        forward ->
            service == null || forward.service().equals(service) ? forward.with(version) : forward);
  }

  private static Forward parseForward(String text, SharedKey defaultKey) throws StartupException {
    Matcher form = FORWARD.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException("--forward needs NAME=TARGET or NAME=TARGET,KEYFILE");
    }
    ServiceName name = ServiceName.parse("--forward", requireNonNull(form.group(1)));
    Route target = Route.parse(requireNonNull(form.group(2)));
    String file = form.group(3);
    return Forward.of(
        name,
        target,
        file == null
            ? defaultKey
            : KeySource.ofFile(file, "the key file of service " + name).first());
  }
}
