package io.c2crelay.common.admin;

import io.c2crelay.common.cli.ProgramVersion;
import io.c2crelay.common.logging.RecentLines;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The status members of both programs: name, version, uptime and the latest log lines. */
public final class ProgramStatus {
  /** The version of the status format; incremented when a member changes meaning or is removed. */
  private static final int VERSION = 1;

  private final String name;
  private final String version;
  private final Instant started = Instant.now();
  private final long startedNanos = System.nanoTime();

  /**
   * Creates the status of a program that starts now. Its version is that of the jar of {@code
   * main}.
   */
  public ProgramStatus(String name, Class<?> main) {
    this.name = name;
    version = ProgramVersion.of(main);
  }

  /** The version of the program. */
  public String version() {
    return version;
  }

  /** Returns a new status with the members that come first. */
  public Map<String, Object> begin() {
    Map<String, Object> status = new LinkedHashMap<>();
    status.put("version", VERSION);
    status.put("program", name);
    status.put("programVersion", version);
    status.put("startedAt", started.toString());
    status.put("uptimeSeconds", TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startedNanos));
    return status;
  }

  /** Adds the members that come last and returns {@code status}. */
  public Map<String, Object> end(Map<String, Object> status) {
    status.put("events", RecentLines.get());
    return status;
  }
}
