package io.c2crelay.common.logging;

import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufAllocatorMetricProvider;
import io.netty.util.concurrent.EventExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;

/**
 * Logs current counts at debug level: at most once a second, and only after a change. When the
 * program is idle, the last line shows resources that were not released.
 */
public final class StatsLogger {
  private static final long INTERVAL_MILLIS = 1000;

  private final Logger log;
  private final String event;
  private final Supplier<String> counts;
  private String previous = "";

  private StatsLogger(Logger log, String event, Supplier<String> counts) {
    this.log = log;
    this.event = event;
    this.counts = counts;
  }

  /**
   * Starts logging if debug is enabled, until the loop ends.
   *
   * @param counts returns {@code key=value} pairs; called on the loop. The line also has {@code
   *     direct}, Netty's direct memory in bytes.
   */
  public static void start(Logger log, String event, EventExecutor loop, Supplier<String> counts) {
    if (log.isDebugEnabled()) {
      StatsLogger logger = new StatsLogger(log, event, counts);
      loop.scheduleAtFixedRate(logger::logIfChanged, 0, INTERVAL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private void logIfChanged() {
    String current = counts.get() + " direct=" + directBytes();
    if (!current.equals(previous)) {
      previous = current;
      log.debug("{} {}", event, current);
    }
  }

  private static long directBytes() {
    ByteBufAllocator allocator = ByteBufAllocator.DEFAULT;
    return allocator instanceof ByteBufAllocatorMetricProvider
        ? ((ByteBufAllocatorMetricProvider) allocator).metric().usedDirectMemory()
        : 0;
  }
}
