package io.c2crelay.agent;

import io.c2crelay.agent.events.AgentMetrics;
import io.c2crelay.agent.events.ServiceMetrics;
import io.c2crelay.common.admin.Monitor;
import io.c2crelay.common.admin.ProcessMetrics;
import io.c2crelay.common.admin.ProgramStatus;
import io.c2crelay.common.admin.SessionBook;
import io.c2crelay.common.logging.RecentLines;
import io.c2crelay.common.protocol.ServiceName;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The agent's status, metrics and readiness for the admin endpoint. */
final class AgentMonitor implements Monitor {
  private static final int MAX_SESSIONS_SHOWN = 1000;

  private final PrometheusRegistry registry;
  private final AgentMetrics metrics;
  private final ProgramStatus program = new ProgramStatus("client2client", AgentMonitor.class);
  private volatile boolean draining;

  AgentMonitor(PrometheusRegistry registry, AgentMetrics metrics, EventLoopGroup loops) {
    this.registry = registry;
    this.metrics = metrics;
    ProcessMetrics.register(registry, "c2c_agent", program.version(), loops);
    RecentLines.keep();
  }

  /** Marks the agent as draining: it is no longer ready. */
  void draining() {
    draining = true;
  }

  /** Samples the throughput of the sessions. */
  void sample() {
    metrics.sessions().sample();
  }

  @Override
  public PrometheusRegistry metrics() {
    return registry;
  }

  @Override
  public Future<Map<String, Object>> status(Executor executor) {
    Map<String, Object> status = program.begin();
    List<Map<String, Object>> services = new ArrayList<>();
    SessionBook.Sums sums = metrics.sessions().sums();
    metrics
        .targets()
        .forEach(
            (service, target) -> {
              Map<String, Object> row = new LinkedHashMap<>();
              row.put("name", service.toString());
              row.put("target", target);
              metrics.sessions().describe(service, sums, row);
              services.add(row);
            });
    status.put("services", services);
    status.put(
        "relays", metrics.relays().stream().map(ServiceMetrics::row).collect(Collectors.toList()));
    status.put("sessions", metrics.sessions().rows(MAX_SESSIONS_SHOWN, "relay"));
    status.put("throughput", metrics.sessions().history());
    return GlobalEventExecutor.INSTANCE.newSucceededFuture(program.end(status));
  }

  /** A service is ready if it is attached to at least one relay. */
  @Override
  public Future<Boolean> isReady(@Nullable String service) {
    List<ServiceName> asked =
        metrics.targets().keySet().stream()
            .filter(name -> service == null || name.toString().equals(service))
            .collect(Collectors.toList());
    return asked.isEmpty()
        ? GlobalEventExecutor.INSTANCE.newFailedFuture(new NoSuchElementException())
        : GlobalEventExecutor.INSTANCE.newSucceededFuture(
            !draining && asked.stream().allMatch(this::isAttached));
  }

  private boolean isAttached(ServiceName service) {
    return metrics.relays().stream()
        .anyMatch(relay -> relay.service().equals(service) && relay.isAttached());
  }
}
