package io.c2crelay.common.cli;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.logging.LogLevel;
import io.c2crelay.common.transport.Transport;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of both commands. */
public final class SharedOptions {
  @Option(
      names = "--key-file",
      paramLabel = "FILE",
      description = "Take the key from the first line of this UTF-8 file (default: none).")
  private @Nullable String keyFile;

  @Option(
      names = "--drain",
      paramLabel = "TIME",
      description =
          "How long running sessions may go on after a stop signal (default: ${DEFAULT-VALUE}).")
  private Duration drain = Limits.DEFAULT_DRAIN;

  @Option(
      names = "--session-memory",
      paramLabel = "SIZE",
      description =
          "What all sessions together may buffer (default: half of direct memory, here ${DEFAULT-VALUE}).")
  private long sessionMemory = Limits.defaultSessionMemory();

  @Option(
      names = "--transport",
      paramLabel = "NAME",
      description = "auto, epoll, kqueue or nio (default: ${DEFAULT-VALUE}).")
  private TransportChoice transport = TransportChoice.AUTO;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Event loops, 0 for one per core (default: ${DEFAULT-VALUE}).")
  private int threads;

  @Option(
      names = "--log-level",
      paramLabel = "LEVEL",
      description = "error, warn, info, debug or trace (default: ${DEFAULT-VALUE}).")
  private LogLevel logLevel = LogLevel.INFO;

  /** The key from the argument or any other source, as {@link KeySources#key} has it. */
  public @Nullable SharedKey key(@Nullable String argument, Map<String, String> env)
      throws StartupException {
    return KeySources.key(argument, keyFile, env);
  }

  /** How long running sessions may go on. */
  public Duration drain() {
    return drain;
  }

  /** What all sessions together may buffer, in bytes. */
  public long sessionMemory() {
    return sessionMemory;
  }

  /** The transport to use, which loads here. */
  public Transport transport() throws StartupException {
    return transport.transport();
  }

  /** How many event loops; 0 for one per core. */
  public int threads() {
    return threads;
  }

  /** How much to log. */
  public LogLevel logLevel() {
    return logLevel;
  }
}
