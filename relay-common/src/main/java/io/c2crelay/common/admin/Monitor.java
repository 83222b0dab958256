package io.c2crelay.common.admin;

import io.netty.util.concurrent.Future;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** What the admin endpoint shows of a process. Safe on any thread. */
public interface Monitor {
  /** The metrics; gauges that others set are as of the last {@link #status}. */
  PrometheusRegistry metrics();

  /**
   * The status, whose form is described in docs/operations.md: text, numbers, and lists and maps of
   * them.
   *
   * @param executor where it is put together, which takes its time with many sessions
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
