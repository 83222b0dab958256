package io.c2crelay.common.cli;

import io.c2crelay.common.logging.LogFormat;
import io.c2crelay.common.transport.Transport;
import java.time.Duration;
import org.slf4j.event.Level;

/** The validated settings of both programs, from {@link SharedOptions}. Immutable. */
public final class SharedSettings {
  private final Duration drain;
  private final long sessionMemory;
  private final Transport transport;
  private final int threads;
  private final Level logLevel;
  private final LogFormat logFormat;
  private final boolean hasConfigFile;

  /**
   * Validates the options of a command line.
   *
   * @throws IllegalArgumentException if a value is out of bounds; the message names its option
   * @throws StartupException if the transport is not available
   */
  public SharedSettings(SharedOptions options) throws StartupException {
    drain = Checks.drain(options.drain);
    sessionMemory = Checks.sessionMemory(options.sessionMemory);
    threads = Checks.threads(options.threads);
    transport = options.transport.transport();
    logLevel = options.logLevel;
    logFormat = options.logFormat;
    hasConfigFile = options.config != null;
  }

  /** How long sessions may continue after a stop signal; zero aborts them at once. */
  public Duration drain() {
    return drain;
  }

  /** The limit on the bytes that all sessions together buffer. */
  public long sessionMemory() {
    return sessionMemory;
  }

  /** The transport, whose native library is loaded. */
  public Transport transport() {
    return transport;
  }

  /** The number of event loops, at least 1. */
  public int threads() {
    return threads;
  }

  /** The level of the log. */
  public Level logLevel() {
    return logLevel;
  }

  /** Whether options are read from a file. */
  public boolean hasConfigFile() {
    return hasConfigFile;
  }

  /** Adds the options that differ in another configuration. */
  public void compare(SharedSettings next, ConfigChanges changes) {
    changes.atOnce("--log-level", logLevel, next.logLevel);
    changes.needsRestart("--drain", drain, next.drain);
    changes.needsRestart("--session-memory", sessionMemory, next.sessionMemory);
    changes.needsRestart("--threads", threads, next.threads);
    changes.needsRestart("--transport", transport, next.transport);
    changes.needsRestart("--log-format", logFormat, next.logFormat);
  }
}
