package io.c2crelay.it.sizes;

import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.JarProcess;
import java.util.Locale;

/** Time, CPU time and peak memory of relay and agent since the start. */
final class UsageStopwatch {

  private final JarProcess relay;
  private final JarProcess agent;
  private final Footprint relayBefore;
  private final Footprint agentBefore;
  private final long begin = System.nanoTime();

  private UsageStopwatch(JarProcess relay, JarProcess agent) {
    Footprint.resetPeak(relay);
    Footprint.resetPeak(agent);
    this.relay = relay;
    this.agent = agent;
    this.relayBefore = Footprint.of(relay);
    this.agentBefore = Footprint.of(agent);
  }

  static UsageStopwatch start(JarProcess relay, JarProcess agent) {
    return new UsageStopwatch(relay, agent);
  }

  double seconds() {
    return (System.nanoTime() - begin) / 1e9;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%.1f s, relay %s, agent %s",
        seconds(),
        used(relayBefore, Footprint.of(relay)),
        used(agentBefore, Footprint.of(agent)));
  }

  private static String used(Footprint before, Footprint now) {
    return String.format(
        Locale.ROOT,
        "cpu=%.1fs rss=%dk peak=%dk descriptors=%d",
        (now.cpuMillis() - before.cpuMillis()) / 1e3,
        now.residentKb(),
        now.peakKb(),
        now.descriptors());
  }
}
