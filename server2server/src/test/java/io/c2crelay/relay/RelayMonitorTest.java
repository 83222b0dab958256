package io.c2crelay.relay;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.transport.Transport;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayMetrics;
import io.c2crelay.relay.session.DispatcherSettings;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.EventLoopGroup;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class RelayMonitorTest {
  private static final Pattern NAME = Pattern.compile("`(c2c_relay_[a-z_]+)`");

  @Test
  void metricsAreThoseOfTheManual() throws Exception {
    PrometheusRegistry registry = new PrometheusRegistry();
    EventLoopGroup loops = Transport.NIO.newEventLoops(1);
    Dispatchers dispatchers =
        new Dispatchers(
            loops.next(),
            DispatcherSettings.of(1, Duration.ofSeconds(15), 100),
            BufferBudget.ofBytes(1 << 20),
            new AgentAddresses(),
            new SecureRandom(),
            new RelayEvents());
    new RelayMonitor(registry, new RelayMetrics(registry), dispatchers, () -> 0, loops);
    Set<String> names =
        registry.scrape().stream()
            .map(RelayMonitorTest::name)
            .collect(Collectors.toCollection(TreeSet::new));
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    Set<String> documented =
        NAME.matcher(Files.readString(Path.of("../docs/operations.md")))
            .results()
            .map((MatchResult found) -> found.group(1))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(names).isEqualTo(documented);
  }

  /** As in the text format. */
  private static String name(MetricSnapshot metric) {
    String name = metric.getMetadata().getPrometheusName();
    if (metric instanceof CounterSnapshot) {
      return name + "_total";
    }
    return metric instanceof InfoSnapshot ? name + "_info" : name;
  }
}
