package io.c2crelay.common.admin;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.EventExecutorGroup;
import io.netty.util.internal.PlatformDependent;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Info;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** Metrics of the process itself: version, memory outside the heap, lag of the event loops. */
public final class ProcessMetrics {
  private static final long PERIOD_NANOS = TimeUnit.SECONDS.toNanos(1);

  private ProcessMetrics() {}

  /** Registers the metrics and starts to measure the lag of {@code loops}. */
  public static void register(
      PrometheusRegistry metrics, String prefix, String version, EventExecutorGroup loops) {
    Info.builder()
        .name(prefix + "_build_info")
        .help("The version of the program.")
        .labelNames("version")
        .register(metrics)
        .addLabelValues(version);
    GaugeWithCallback.builder()
        .name(prefix + "_direct_memory_bytes")
        .help("Memory outside the heap that Netty uses.")
        .unit(Unit.BYTES)
        .callback(
            callback -> callback.call((double) Math.max(0, PlatformDependent.usedDirectMemory())))
        .register(metrics);
    List<AtomicLong> lags = new ArrayList<>();
    for (EventExecutor loop : loops) {
      AtomicLong lag = new AtomicLong();
      lags.add(lag);
      measure(loop, lag);
    }
    GaugeWithCallback.builder()
        .name(prefix + "_event_loop_lag_seconds")
        .help("How late an event loop ran a task that was due, at most, since the last scrape.")
        .unit(Unit.SECONDS)
        .labelNames("loop")
        .callback(
            callback -> {
              for (int i = 0; i < lags.size(); i++) {
                double nanos = lags.get(i).getAndSet(0);
                callback.call(nanos / TimeUnit.SECONDS.toNanos(1), Integer.toString(i));
              }
            })
        .register(metrics);
  }

  private static void measure(EventExecutor loop, AtomicLong lag) {
    long due = System.nanoTime() + PERIOD_NANOS;
    loop.schedule(
        () -> {
          long late = System.nanoTime() - due;
          lag.accumulateAndGet(late, Math::max);
          measure(loop, lag);
        },
        PERIOD_NANOS,
        TimeUnit.NANOSECONDS);
  }
}
