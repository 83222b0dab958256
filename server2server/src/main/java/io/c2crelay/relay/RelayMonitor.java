package io.c2crelay.relay;

import io.c2crelay.common.admin.Monitor;
import io.c2crelay.common.admin.ProcessMetrics;
import io.c2crelay.common.admin.ProgramStatus;
import io.c2crelay.common.admin.SessionBook;
import io.c2crelay.common.logging.RecentLines;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.events.RelayMetrics;
import io.c2crelay.relay.listen.ServicePort;
import io.c2crelay.relay.session.Dispatchers;
import io.c2crelay.relay.session.ServiceSnapshot;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.IntSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The data of the relay that the admin endpoint serves. */
final class RelayMonitor implements Monitor {
  private static final int MAX_SESSIONS_SHOWN = 1000;

  private final PrometheusRegistry metrics;
  private final RelayMetrics events;
  private final Dispatchers dispatchers;
  private final ProgramStatus program = new ProgramStatus("server2server", RelayMonitor.class);
  private final Map<String, ServicePort> ports = new ConcurrentHashMap<>();
  private final Gauge agents;
  private final Gauge warm;
  private final Gauge waiting;

  /**
   * @param throttled the number of networks whose authentication is throttled
   */
  RelayMonitor(
      PrometheusRegistry metrics,
      RelayMetrics events,
      Dispatchers dispatchers,
      IntSupplier throttled,
      EventLoopGroup loops) {
    this.metrics = metrics;
    this.events = events;
    this.dispatchers = dispatchers;
    agents = gauge("agents", "Attached agents.");
    warm = gauge("pool_connections", "Data connections that are ready for a user.");
    waiting = gauge("users_waiting", "Users that wait for a data connection.");
    GaugeWithCallback.builder()
        .name("c2c_relay_throttled_networks")
        .help("Networks whose authentication is throttled.")
        .callback(callback -> callback.call(throttled.getAsInt()))
        .register(metrics);
    ProcessMetrics.register(metrics, "c2c_relay", program.version(), loops);
    RecentLines.keep();
  }

  private Gauge gauge(String name, String help) {
    return Gauge.builder()
        .name("c2c_relay_" + name)
        .help(help)
        .labelNames("service")
        .register(metrics);
  }

  /** Adds a service with its port, or changes its port. */
  void listening(ServiceName service, ServicePort port) {
    ports.put(service.toString(), port);
    events.sessions().add(service);
  }

  /** Removes a service. */
  void removed(ServiceName service) {
    ports.remove(service.toString());
    for (Gauge gauge : Arrays.asList(agents, warm, waiting)) {
      gauge.remove(service.toString());
    }
  }

  /** Computes the rates: see {@link SessionBook#sample}. */
  void sample() {
    events.sessions().sample();
  }

  @Override
  public PrometheusRegistry metrics() {
    return metrics;
  }

  @Override
  public Future<Map<String, Object>> status(Executor executor) {
    Promise<Map<String, Object>> result = GlobalEventExecutor.INSTANCE.newPromise();
    dispatchers
        .snapshot()
        .addListener(
            (Future<List<ServiceSnapshot>> snapshot) -> {
              if (snapshot.isSuccess()) {
                executor.execute(() -> result.setSuccess(status(snapshot.getNow())));
              } else {
                result.setFailure(snapshot.cause());
              }
            });
    return result;
  }

  private Map<String, Object> status(List<ServiceSnapshot> snapshots) {
    SessionBook sessions = events.sessions();
    SessionBook.Sums sums = sessions.sums();
    List<Map<String, Object>> services = new ArrayList<>();
    List<Map<String, Object>> waitingUsers = new ArrayList<>();
    for (ServiceSnapshot snapshot : snapshots) {
      String name = snapshot.service().toString();
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("name", name);
      row.put("address", Sockets.text(openAddress(name)));
      row.put("agents", snapshot.agents());
      row.put("poolConnections", snapshot.warm());
      row.put("usersWaiting", snapshot.waiting());
      sessions.describe(snapshot.service(), sums, row);
      services.add(row);
      for (InetSocketAddress user : snapshot.firstWaiting()) {
        Map<String, Object> waitingUser = new LinkedHashMap<>();
        waitingUser.put("service", name);
        waitingUser.put("user", Sockets.text(user));
        waitingUsers.add(waitingUser);
      }
      agents.labelValues(name).set(snapshot.agents());
      warm.labelValues(name).set(snapshot.warm());
      waiting.labelValues(name).set(snapshot.waiting());
    }
    Map<String, Object> status = program.begin();
    status.put("services", services);
    status.put("agents", events.agentRows(sums));
    status.put("waiting", waitingUsers);
    status.put("sessions", sessions.rows(MAX_SESSIONS_SHOWN, "agent"));
    status.put("throughput", sessions.history());
    return program.end(status);
  }

  @Override
  public Future<Boolean> isReady(@Nullable String service) {
    Promise<Boolean> result = GlobalEventExecutor.INSTANCE.newPromise();
    dispatchers
        .snapshot()
        .addListener(
            (Future<List<ServiceSnapshot>> done) -> {
              List<ServiceSnapshot> asked =
                  done.isSuccess() ? services(done.getNow(), service) : Collections.emptyList();
              if (asked.isEmpty()) {
                result.setFailure(done.isSuccess() ? new NoSuchElementException() : done.cause());
              } else {
                result.setSuccess(asked.stream().allMatch(this::isReady));
              }
            });
    return result;
  }

  private boolean isReady(ServiceSnapshot snapshot) {
    return snapshot.isReady() && openAddress(snapshot.service().toString()) != null;
  }

  /** The address of a service's port; null while it is closed. */
  private @Nullable InetSocketAddress openAddress(String service) {
    ServicePort port = ports.get(service);
    return port != null && port.isOpen() ? port.address() : null;
  }

  private static List<ServiceSnapshot> services(
      List<ServiceSnapshot> all, @Nullable String service) {
    return all.stream()
        .filter(snapshot -> service == null || snapshot.service().toString().equals(service))
        .collect(Collectors.toList());
  }
}
