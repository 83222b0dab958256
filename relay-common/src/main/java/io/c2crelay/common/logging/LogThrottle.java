package io.c2crelay.common.logging;

import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;

/**
 * Bounds the log lines that strangers can cause, one instance for each place: the internet tries
 * all night. Lines left out are counted, and the count is said with the next one. Safe on any
 * thread.
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

  /** At most {@code linesPerWindow} lines in 10 s; {@code event} names those left out. */
  public static LogThrottle of(Logger log, String event, int linesPerWindow) {
    return new LogThrottle(log, event, linesPerWindow);
  }

  /** Whether a line may be written now. */
  public boolean allows() {
    return allows(System.nanoTime());
  }

  synchronized boolean allows(long nowNanos) {
    if (nowNanos - windowStartNanos >= WINDOW_NANOS) {
      if (lines > linesPerWindow) {
        log.info("{} unsaid={}", event, lines - linesPerWindow);
      }
      windowStartNanos = nowNanos;
      lines = 0;
    }
    lines++;
    return lines <= linesPerWindow;
  }
}
