package io.c2crelay.it.support;

import java.nio.file.Path;
import java.time.Duration;

/** A running {@code client2client.jar}. */
public final class AgentProcess extends JarProcess {

  private static final Duration START = Duration.ofSeconds(60);

  AgentProcess(String name, Launch launch, Path log) {
    super(name, launch, log, "sessions=0", "buffered=0");
  }

  public LogLine awaitReady() {
    return awaitReady(0);
  }

  /** Waits until the agent is attached, after {@code mark}. */
  public LogLine awaitReady(int mark) {
    return awaitLog(mark, "control\\.ready\\b", START);
  }

  public boolean wasReady() {
    return !lines("control\\.ready\\b").isEmpty();
  }
}
