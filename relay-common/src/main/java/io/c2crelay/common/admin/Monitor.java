package io.c2crelay.common.admin;

import io.netty.util.concurrent.Future;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** The data of a process that the admin endpoint serves. Safe on any thread. */
public interface Monitor {
  /** The metrics. Gauges that {@link #status} sets have the values of its last call. */
  PrometheusRegistry metrics();

  /**
   * The status, in the format of docs/operations.md: strings, numbers, and lists and maps of these.
   *
   * @param executor builds the status, which can be slow with many sessions
   */
  Future<Map<String, Object>> status(Executor executor);

  /**
   * Whether users can be served.
   *
   * @param service null for all services
   * @return fails with {@link NoSuchElementException} if there is no such service
   */
  Future<Boolean> isReady(@Nullable String service);
}
