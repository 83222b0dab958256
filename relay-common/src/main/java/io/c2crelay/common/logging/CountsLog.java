package io.c2crelay.common.logging;

import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufAllocatorMetricProvider;
import io.netty.util.concurrent.EventExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;

/**
 * Says at level debug how many there are of everything that is counted: once a second at most, and
 * only when something changed. When all is quiet, what the last line says is what was left over.
 */
public final class CountsLog {
  private static final long EVERY_MILLIS = 1000;

  private final Logger log;
  private final String event;
  private final Supplier<String> counts;
  private String last = "";

  private CountsLog(Logger log, String event, Supplier<String> counts) {
    this.log = log;
    this.event = event;
    this.counts = counts;
  }

  /**
   * Begins, if the log is at debug, and goes on until the loop ends.
   *
   * @param counts {@code key=value} pairs; called on the loop. Netty's direct memory is added to
   *     them, as {@code direct} in bytes.
   */
  public static void start(Logger log, String event, EventExecutor loop, Supplier<String> counts) {
    if (log.isDebugEnabled()) {
      CountsLog lines = new CountsLog(log, event, counts);
      loop.scheduleAtFixedRate(lines::say, 0, EVERY_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private void say() {
    String now = counts.get() + " direct=" + directBytes();
    if (!now.equals(last)) {
      last = now;
      log.debug("{} {}", event, now);
    }
  }

  private static long directBytes() {
    ByteBufAllocator allocator = ByteBufAllocator.DEFAULT;
    return allocator instanceof ByteBufAllocatorMetricProvider
        ? ((ByteBufAllocatorMetricProvider) allocator).metric().usedDirectMemory()
        : 0;
  }
}
