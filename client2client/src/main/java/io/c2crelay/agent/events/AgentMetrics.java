package io.c2crelay.agent.events;

import io.c2crelay.common.admin.SessionBook;
import io.c2crelay.common.protocol.ServiceName;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** The metrics of all services of the agent (docs/operations.md, "Metrics of the agent"). */
public final class AgentMetrics {
  private static final String PREFIX = "c2c_agent";

  private final List<ServiceMetrics> relays = new CopyOnWriteArrayList<>();
  private volatile Map<ServiceName, String> targets = Collections.emptyMap();
  final SessionBook sessions;
  final Counter attempts;
  final Counter lost;
  final Counter targetFailures;
  final Counter dialsFailed;
  final Histogram roundTrip;

  /** Creates the metrics in a registry. */
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
        .help("Whether the agent is attached to a relay: 0 or 1.")
        .labelNames("service", "relay")
        .callback(
            callback ->
                attached()
                    .forEach(
                        (labels, attached) ->
                            callback.call(attached ? 1 : 0, labels.toArray(new String[0]))))
        .register(metrics);
  }

  /** By service and relay; a change of target or key causes two entries for a moment. */
  private Map<List<String>, Boolean> attached() {
    Map<List<String>, Boolean> attached = new LinkedHashMap<>();
    for (ServiceMetrics relay : relays) {
      attached.merge(
          Arrays.asList(relay.service().toString(), relay.relay()),
          relay.isAttached(),
          Boolean::logicalOr);
    }
    return attached;
  }

  private static Counter counter(
      PrometheusRegistry metrics, String name, String help, String... labels) {
    return Counter.builder()
        .name(PREFIX + "_" + name + "_total")
        .help(help)
        .labelNames(labels)
        .register(metrics);
  }

  /** Replaces the services and their targets. */
  public void targets(Map<ServiceName, String> services) {
    targets = Collections.unmodifiableMap(services);
    services.keySet().forEach(sessions::add);
  }

  /** Adds a service at one of the relays. */
  void add(ServiceMetrics relay) {
    relays.add(relay);
  }

  /** Removes a service at one of the relays, when the agent stops attaching there. */
  void remove(ServiceMetrics relay) {
    relays.remove(relay);
  }

  /** The services and their targets, in the order of the command line. */
  public Map<ServiceName, String> targets() {
    return targets;
  }

  /** One entry for each service and relay. */
  public List<ServiceMetrics> relays() {
    return relays;
  }

  /** The sessions. */
  public SessionBook sessions() {
    return sessions;
  }
}
