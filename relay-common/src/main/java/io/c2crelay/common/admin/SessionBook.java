package io.c2crelay.common.admin;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * The open sessions of a process, the traffic of all its sessions, and their metrics. Safe on any
 * thread.
 */
public final class SessionBook {
  /** The interval between calls of {@link #sample}. */
  public static final int SAMPLE_SECONDS = 5;

  private static final int HISTORY_SAMPLES = 10 * 60 / SAMPLE_SECONDS;

  /** The bytes of a service or session, and their rates at the last sample. */
  private static final class Traffic {
    long up;
    long down;
    long upAtSample;
    long downAtSample;
    long upPerSecond;
    long downPerSecond;

    void sample(long upNow, long downNow) {
      upPerSecond = (upNow - upAtSample) / SAMPLE_SECONDS;
      downPerSecond = (downNow - downAtSample) / SAMPLE_SECONDS;
      upAtSample = upNow;
      downAtSample = downNow;
    }
  }

  /** Traffic of the open sessions, oldest first. */
  private final Map<LiveSession, Traffic> live = new LinkedHashMap<>();

  /** Traffic of the closed sessions. */
  private final Map<ServiceName, Traffic> closed = new HashMap<>();

  private final Deque<long[]> history = new ArrayDeque<>();
  private final Counter opened;
  private final Counter ended;
  private final Histogram firstByte;
  private final Histogram duration;

  /**
   * Creates an empty book.
   *
   * @param prefix the prefix of the metric names
   */
  public SessionBook(PrometheusRegistry metrics, String prefix) {
    opened =
        Counter.builder()
            .name(prefix + "_sessions_opened_total")
            .help("Sessions opened.")
            .labelNames("service")
            .register(metrics);
    ended =
        Counter.builder()
            .name(prefix + "_sessions_closed_total")
            .help("Sessions closed, by reason.")
            .labelNames("service", "reason")
            .register(metrics);
    firstByte =
        Histogram.builder()
            .name(prefix + "_session_first_byte_seconds")
            .help("Time from the start of a session to the first byte from the target.")
            .unit(Unit.SECONDS)
            .classicOnly()
            .classicUpperBounds(
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
            .labelNames("service")
            .register(metrics);
    duration =
        Histogram.builder()
            .name(prefix + "_session_duration_seconds")
            .help("Duration of closed sessions.")
            .unit(Unit.SECONDS)
            .classicOnly()
            .classicUpperBounds(0.1, 1, 10, 60, 600, 3600, 21_600, 86_400)
            .labelNames("service")
            .register(metrics);
    GaugeWithCallback.builder()
        .name(prefix + "_sessions")
        .help("Open sessions.")
        .labelNames("service")
        .callback(
            callback -> sums().services.forEach((name, sum) -> callback.call(sum.sessions, name)))
        .register(metrics);
    CounterWithCallback.builder()
        .name(prefix + "_bytes_total")
        .help("Session bytes received, up towards the target or down towards the user.")
        .labelNames("service", "direction")
        .callback(
            callback ->
                sums()
                    .services
                    .forEach(
                        (name, sum) -> {
                          callback.call((double) sum.up, name, "up");
                          callback.call((double) sum.down, name, "down");
                        }))
        .register(metrics);
  }

  /** Creates the metrics of a service, so that they exist before its first session. */
  public synchronized void add(ServiceName service) {
    closed.putIfAbsent(service, new Traffic());
    opened.initLabelValues(service.toString());
  }

  /** A session began. */
  public void opened(LiveSession session) {
    opened.labelValues(session.service().toString()).inc();
    synchronized (this) {
      live.put(session, new Traffic());
    }
  }

  /** The first byte arrived from the session's target. */
  public void firstByte(LiveSession session) {
    firstByte.labelValues(session.service().toString()).observe(seconds(session.ageNanos()));
  }

  /** A session ended. */
  public void closed(LiveSession session, ReasonCode reason) {
    String service = session.service().toString();
    ended.labelValues(service, reason.toString().toLowerCase(Locale.ROOT)).inc();
    duration.labelValues(service).observe(seconds(session.ageNanos()));
    synchronized (this) {
      if (live.remove(session) != null) {
        Traffic total = closed.computeIfAbsent(session.service(), s -> new Traffic());
        total.up += session.upBytes();
        total.down += session.downBytes();
      }
    }
  }

  private static double seconds(long nanos) {
    return nanos / (double) TimeUnit.SECONDS.toNanos(1);
  }

  /** Computes the rates. Call it every {@link #SAMPLE_SECONDS}. */
  public void sample() {
    Sums sums = sums();
    synchronized (this) {
      live.forEach((session, traffic) -> traffic.sample(session.upBytes(), session.downBytes()));
      long up = 0;
      long down = 0;
      for (Map.Entry<ServiceName, Traffic> service : closed.entrySet()) {
        Traffic total = service.getValue();
        Sums.Service sum = sums.of(service.getKey());
        total.sample(sum.up, sum.down);
        up += total.upPerSecond;
        down += total.downPerSecond;
      }
      history.add(new long[] {up, down});
      if (history.size() > HISTORY_SAMPLES) {
        history.remove();
      }
    }
  }

  /** Session totals by service and by peer, at one moment. */
  public static final class Sums {
    private static final class Service {
      int sessions;
      long up;
      long down;

      void add(long upBytes, long downBytes) {
        up += upBytes;
        down += downBytes;
      }
    }

    private final Map<String, Service> services = new TreeMap<>();
    private final Map<String, Integer> sessionsByPeer = new HashMap<>();

    private Service of(ServiceName service) {
      return services.computeIfAbsent(service.toString(), s -> new Service());
    }

    /** The number of open sessions with a peer. */
    public int sessionsOf(String peer) {
      return sessionsByPeer.getOrDefault(peer, 0);
    }
  }

  /** Computes the totals. A service's bytes include those of its closed sessions. */
  public Sums sums() {
    Sums sums = new Sums();
    List<LiveSession> open;
    synchronized (this) {
      closed.forEach((service, traffic) -> sums.of(service).add(traffic.up, traffic.down));
      open = new ArrayList<>(live.keySet());
    }
    for (LiveSession session : open) { // without the lock, because all event loops use it
      Sums.Service service = sums.of(session.service());
      service.sessions++;
      service.add(session.upBytes(), session.downBytes());
      sums.sessionsByPeer.merge(session.peer(), 1, Integer::sum);
    }
    return sums;
  }

  /** Adds a service's totals and rates to its row in the status. */
  public synchronized void describe(ServiceName service, Sums sums, Map<String, Object> row) {
    Sums.Service sum = sums.of(service);
    Traffic total = closed.getOrDefault(service, new Traffic());
    row.put("sessions", sum.sessions);
    row.put("upBytes", sum.up);
    row.put("downBytes", sum.down);
    row.put("upBytesPerSecond", total.upPerSecond);
    row.put("downBytesPerSecond", total.downPerSecond);
  }

  /**
   * Returns a status row for each open session, newest first.
   *
   * @param max the maximum number of rows
   * @param peer the name of the member for {@link LiveSession#peer}
   */
  public synchronized List<Map<String, Object>> rows(int max, String peer) {
    List<LiveSession> newest = newest(live.keySet(), max);
    List<Map<String, Object>> rows = new ArrayList<>(newest.size());
    for (LiveSession session : newest) {
      Traffic traffic = live.getOrDefault(session, new Traffic());
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("id", session.id());
      row.put("service", session.service().toString());
      row.put("user", Sockets.text(session.user()));
      row.put(peer, session.peer());
      row.put("ageSeconds", TimeUnit.NANOSECONDS.toSeconds(session.ageNanos()));
      row.put("upBytes", session.upBytes());
      row.put("downBytes", session.downBytes());
      row.put("upBytesPerSecond", traffic.upPerSecond);
      row.put("downBytesPerSecond", traffic.downPerSecond);
      rows.add(row);
    }
    return rows;
  }

  private static List<LiveSession> newest(Collection<LiveSession> sessions, int max) {
    List<LiveSession> newest = new ArrayList<>(Math.min(max, sessions.size()));
    int skipped = sessions.size() - max;
    for (LiveSession session : sessions) {
      if (--skipped < 0) {
        newest.add(session);
      }
    }
    Collections.reverse(newest);
    return newest;
  }

  /** The bytes per second of the last ten minutes, oldest first. */
  public synchronized Map<String, Object> history() {
    List<Long> up = new ArrayList<>(history.size());
    List<Long> down = new ArrayList<>(history.size());
    for (long[] sample : history) {
      up.add(sample[0]);
      down.add(sample[1]);
    }
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("intervalSeconds", SAMPLE_SECONDS);
    map.put("upBytesPerSecond", up);
    map.put("downBytesPerSecond", down);
    return map;
  }
}
