package io.c2crelay.it.support;

import java.time.Duration;

/** Measures the time since its start. */
public final class Stopwatch {

  private final long begin = System.nanoTime();

  private Stopwatch() {}

  public static Stopwatch start() {
    return new Stopwatch();
  }

  public Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  /** The time from the start until this line was read. */
  public Duration until(LogLine line) {
    return Duration.ofNanos(line.nanos() - begin);
  }
}
