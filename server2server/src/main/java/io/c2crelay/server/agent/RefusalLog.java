package io.c2crelay.server.agent;

import io.c2crelay.common.transport.Sockets;
import java.net.SocketAddress;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Says that a login was refused, at most 10 times in 10 s: the internet tries all night. */
final class RefusalLog {
  private static final Logger log = LoggerFactory.getLogger(RefusalLog.class);

  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final int LINES_PER_WINDOW = 10;

  private static final AtomicLong windowStart = new AtomicLong(System.nanoTime());
  private static final AtomicLong inWindow = new AtomicLong();

  private RefusalLog() {}

  static void refused(SocketAddress from, String reason) {
    long now = System.nanoTime();
    long start = windowStart.get();
    if (now - start >= WINDOW_NANOS && windowStart.compareAndSet(start, now)) {
      long unsaid = inWindow.getAndSet(0) - LINES_PER_WINDOW;
      if (unsaid > 0) {
        log.warn("auth.refused more={}", unsaid);
      }
    }
    if (inWindow.incrementAndGet() <= LINES_PER_WINDOW) {
      log.warn("auth.refused source={} reason={}", Sockets.text(from), reason);
    }
  }
}
