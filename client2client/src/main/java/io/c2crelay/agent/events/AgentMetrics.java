package io.c2crelay.agent.events;

import io.c2crelay.common.admin.SessionBook;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.ArrayList;
import java.util.List;

/** The metrics of all services of the agent (docs/operations.md, "Metrics of the agent"). */
public final class AgentMetrics {
  private static final String PREFIX = "c2c_agent";

  private final List<ServiceMetrics> services = new ArrayList<>();
  final SessionBook sessions;
  final Counter attempts;
  final Counter lost;
  final Counter targetFailures;
  final Counter dialsFailed;
  final Histogram roundTrip;

  /** Metrics in a registry. */
  public AgentMetrics(PrometheusRegistry metrics) {
    sessions = new SessionBook(metrics, PREFIX);
    attempts =
        counter(
            metrics,
            "control_attempts",
            "Attempts to attach, by their result.",
            "service",
            "result");
    lost = counter(metrics, "control_lost", "Control connections lost.", "service", "reason");
    targetFailures =
        counter(
            metrics,
            "target_failures",
            "Sessions whose target was not reached.",
            "service",
            "reason");
    dialsFailed =
        counter(metrics, "dials_failed", "Data connections that failed.", "service", "reason");
    roundTrip =
        Histogram.builder()
            .name(PREFIX + "_heartbeat_round_trip_seconds")
            .help("How long the relay takes to answer a PING.")
            .unit(Unit.SECONDS)
            .classicOnly()
            .classicUpperBounds(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
            .labelNames("service")
            .register(metrics);
    GaugeWithCallback.builder()
        .name(PREFIX + "_attached")
        .help("Whether the agent is attached to the relay: 0 or 1.")
        .labelNames("service")
        .callback(
            callback ->
                services.forEach(
                    service ->
                        callback.call(service.isAttached() ? 1 : 0, service.service().toString())))
        .register(metrics);
  }

  private static Counter counter(
      PrometheusRegistry metrics, String name, String help, String... labels) {
    return Counter.builder()
        .name(PREFIX + "_" + name + "_total")
        .help(help)
        .labelNames(labels)
        .register(metrics);
  }

  /** Adds a service, before the agent starts. */
  void add(ServiceMetrics service) {
    services.add(service);
    sessions.add(service.service());
  }

  /** The services, in the order of the command line. */
  public List<ServiceMetrics> services() {
    return services;
  }

  /** The sessions. */
  public SessionBook sessions() {
    return sessions;
  }
}
