package io.c2crelay.common.transport;

import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says that the system gives this process no more sockets, and what to do about it: once a minute
 * for the whole process, since it goes wrong for many at a time. Safe on any thread.
 */
public final class SocketShortage {
  private static final Logger log = LoggerFactory.getLogger(SocketShortage.class);

  private static final long QUIET_NANOS = TimeUnit.MINUTES.toNanos(1);

  private static boolean said;
  private static long saidNanos;

  private SocketShortage() {}

  /**
   * A socket was not to be had.
   *
   * @param event what the line is called
   */
  public static synchronized void say(String event, Throwable cause) {
    long now = System.nanoTime();
    if (!said || now - saidNanos >= QUIET_NANOS) {
      said = true;
      saidNanos = now;
      log.error(
          "{} cause={} note=\"allow it more file descriptors (LimitNOFILE, ulimit -n) or fewer sessions\"",
          event,
          Sockets.describe(cause));
    }
  }
}
