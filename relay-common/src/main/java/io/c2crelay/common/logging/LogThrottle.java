package io.c2crelay.common.logging;

import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;

/**
 * Rate-limits log lines that unauthenticated peers can cause, with one instance for each kind of
 * line. Counts suppressed lines and logs the count before the next line. Thread-safe.
 */
public final class LogThrottle {
  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Logger log;
  private final String event;
  private final int linesPerWindow;
  private long windowStartNanos = System.nanoTime();
  private int lines;

  private LogThrottle(Logger log, String event, int linesPerWindow) {
    this.log = log;
    this.event = event;
    this.linesPerWindow = linesPerWindow;
  }

  /**
   * Allows {@code linesPerWindow} lines in 10 s; {@code event} is the event name of the line that
   * reports the suppressed ones.
   */
  public static LogThrottle of(Logger log, String event, int linesPerWindow) {
    return new LogThrottle(log, event, linesPerWindow);
  }

  /** Returns whether a line may be logged now, and counts it. */
  public boolean allows() {
    return allows(System.nanoTime());
  }

  synchronized boolean allows(long nowNanos) {
    if (nowNanos - windowStartNanos >= WINDOW_NANOS) {
      if (lines > linesPerWindow) {
        log.info("{} suppressed={}", event, lines - linesPerWindow);
      }
      windowStartNanos = nowNanos;
      lines = 0;
    }
    lines++;
    return lines <= linesPerWindow;
  }
}
