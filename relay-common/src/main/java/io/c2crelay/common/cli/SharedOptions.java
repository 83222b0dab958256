package io.c2crelay.common.cli;

import io.c2crelay.common.logging.LogFormat;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;
import picocli.CommandLine.Option;

/** The options that both commands have. */
public final class SharedOptions {
  @Option(
      names = "--key-file",
      paramLabel = "FILE",
      description = "A UTF-8 file of keys, one a line (default: none).")
  private @Nullable String keyFile;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "Read options that are not given here from this file (default: none).")
  @Nullable String config;

  @Option(names = "--check", arity = "0", description = "Check options and files, and exit.")
  boolean check;

  @Option(
      names = "--drain",
      paramLabel = "TIME",
      description =
          "Time limit for running sessions after a stop signal (default: ${DEFAULT-VALUE}).")
  Duration drain = Checks.DEFAULT_DRAIN;

  @Option(
      names = "--session-memory",
      paramLabel = "SIZE",
      description =
          "Buffer limit of all sessions (default: half of direct memory, here ${DEFAULT-VALUE}).")
  long sessionMemory = Checks.defaultSessionMemory();

  @Option(
      names = "--transport",
      paramLabel = "NAME",
      description = "auto, epoll, kqueue or nio (default: ${DEFAULT-VALUE}).")
  TransportChoice transport = TransportChoice.AUTO;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Number of event loops; 0: one per core (default: ${DEFAULT-VALUE}).")
  int threads;

  @Option(
      names = "--log-level",
      paramLabel = "LEVEL",
      description = "error, warn, info, debug or trace (default: ${DEFAULT-VALUE}).")
  Level logLevel = Level.INFO;

  @Option(
      names = "--admin",
      paramLabel = "[HOST:]PORT",
      description =
          "Serve status, metrics and health checks by HTTP; HOST defaults to the loopback"
              + " (default: off).")
  private @Nullable String admin;

  @Option(
      names = "--admin-password-file",
      paramLabel = "FILE",
      description =
          "Require the password in the first line of this file from the admin endpoint's clients"
              + " (default: none).")
  private @Nullable String adminPasswordFile;

  /** Where the admin endpoint listens; null if it is off. */
  public @Nullable String admin() {
    return admin;
  }

  /** The password of the admin endpoint; null if there is none. */
  public @Nullable String adminPassword() throws StartupException {
    return adminPasswordFile == null
        ? null
        : TextFile.secret(adminPasswordFile, "the file given with --admin-password-file")
            .firstLine();
  }

  @Option(
      names = "--log-format",
      paramLabel = "FORMAT",
      description = "text or json (default: ${DEFAULT-VALUE}).")
  LogFormat logFormat = LogFormat.TEXT;

  /** Returns the keys of {@link KeySource#find}. */
  public @Nullable KeySource keys(@Nullable String argument, Map<String, String> env)
      throws StartupException {
    return KeySource.find(argument, keyFile, env);
  }
}
