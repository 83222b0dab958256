package io.c2crelay.common.transport;

import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs, at most once a minute for the whole process, that no more sockets can be opened.
 * Thread-safe.
 */
public final class SocketShortage {
  private static final Logger log = LoggerFactory.getLogger(SocketShortage.class);

  private static final long LOG_INTERVAL_NANOS = TimeUnit.MINUTES.toNanos(1);

  private static boolean logged;
  private static long lastLoggedNanos;

  private SocketShortage() {}

  /**
   * Reports that a socket could not be opened.
   *
   * @param event the event name of the log line
   */
  public static synchronized void report(String event, Throwable cause) {
    long now = System.nanoTime();
    if (!logged || now - lastLoggedNanos >= LOG_INTERVAL_NANOS) {
      logged = true;
      lastLoggedNanos = now;
      log.error(
          "{} cause={} note=\"raise the file descriptor limit (LimitNOFILE, ulimit -n)"
              + " or allow fewer sessions\"",
          event,
          Sockets.describe(cause));
    }
  }
}
