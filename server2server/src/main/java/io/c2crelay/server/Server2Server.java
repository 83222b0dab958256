package io.c2crelay.server;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.CliCommand;
import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.cli.DurationOrOff;
import io.c2crelay.common.cli.KeySources;
import io.c2crelay.common.cli.Running;
import io.c2crelay.common.cli.SharedOptions;
import io.c2crelay.common.cli.StartupException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command that runs the relay. */
@Command(
    name = "server2server",
    abbreviateSynopsis = true,
    description = "Relays users of its one port to a target behind an agent.",
    footer = {
      "",
      "Without a key one is generated and printed. A key may also be in the environment, as C2C_KEY.",
      "Times: 500ms, 15 or 15s, 2m, 1h. Sizes: 64k, 1m, 2g. What follows -- is never an option.",
      "Exit codes: 0 after a clean stop, 1 if the machine refuses, 2 if the command line is wrong."
    })
public final class Server2Server implements CliCommand<ServerConfig> {

  /** Starts a relay; another one in tests. */
  interface Starter {
    Running start(ServerConfig config) throws StartupException;
  }

  private final Starter starter;
  private @Nullable String generatedKey;

  @Mixin private SharedOptions shared = new SharedOptions();

  @Parameters(
      index = "0",
      paramLabel = "PORT",
      description = "The port for users and agents; 0 takes a free one and logs it.")
  private int port;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "KEY",
      description =
          "The key that the agents have too. Arguments show in process lists: prefer a file.")
  private @Nullable String key;

  @Option(
      names = "--bind",
      paramLabel = "ADDRESS",
      description = "Listen on this address only (default: all, IPv4 and IPv6).")
  private @Nullable String bind;

  @Option(
      names = "--grace",
      paramLabel = "TIME",
      description =
          "How long a silent connection may still turn out an agent's (default: ${DEFAULT-VALUE}).")
  private Duration grace = ServerConfig.DEFAULT_GRACE;

  @Option(
      names = "--pool",
      paramLabel = "N",
      description =
          "Warm connections per agent; 0 dials for each session (default: ${DEFAULT-VALUE}).")
  private int pool = ServerConfig.DEFAULT_POOL;

  @Option(
      names = "--wait",
      paramLabel = "TIME",
      description = "How long a user waits for an agent (default: ${DEFAULT-VALUE}).")
  private Duration waitLimit = ServerConfig.DEFAULT_WAIT;

  @Option(
      names = "--max-sessions",
      paramLabel = "N",
      description =
          "The most sessions at once (default: the lower of 4096 and (file descriptors - 512) / 2, here ${DEFAULT-VALUE}).")
  private int maxSessions = Descriptors.defaultMaxSessions();

  @Option(
      names = "--idle-timeout",
      paramLabel = "TIME",
      converter = DurationOrOff.class,
      description = "End a session after this long without a byte (default: ${DEFAULT-VALUE}).")
  private Duration idleTimeout = ServerConfig.DEFAULT_IDLE_TIMEOUT;

  @Option(
      names = "--half-close-timeout",
      paramLabel = "TIME",
      description =
          "End a session with one direction closed after this long without a byte (default: ${DEFAULT-VALUE}).")
  private Duration halfCloseTimeout = ServerConfig.DEFAULT_HALF_CLOSE_TIMEOUT;

  Server2Server(Starter starter) {
    this.starter = requireNonNull(starter, "starter");
  }

  /** Runs the relay until it is stopped, and ends the process. */
  public static void main(String[] args) {
    CliRunner.main(new Server2Server(config -> RelayServer.start(config)::drain), args);
  }

  @Override
  public SharedOptions shared() {
    return shared;
  }

  @Override
  public ServerConfig config(Map<String, String> env) throws StartupException {
    return ServerConfig.builder(keyOrGenerated(env), port)
        .bind(bind)
        .grace(grace)
        .pool(pool)
        .waitLimit(waitLimit)
        .maxSessions(maxSessions)
        .idleTimeout(idleTimeout)
        .halfCloseTimeout(halfCloseTimeout)
        .drain(shared.drain())
        .sessionMemory(shared.sessionMemory())
        .transport(shared.transport())
        .threads(shared.threads())
        .build();
  }

  /** Prints a generated key once the port is bound: whoever reads it can use it. */
  @Override
  public Running start(ServerConfig config, PrintStream out) throws StartupException {
    Running relay = starter.start(config);
    if (generatedKey != null) {
      out.print("Generated API Auth Key :\n" + generatedKey + "\n");
      if (out.checkError()) {
        throw new StartupException("the generated key cannot be written to standard output");
      }
    }
    return relay;
  }

  private SharedKey keyOrGenerated(Map<String, String> env) throws StartupException {
    SharedKey given = shared.key(key, env);
    if (given != null) {
      return given;
    }
    String generated = KeySources.generate();
    generatedKey = generated;
    return SharedKey.of(generated);
  }
}
