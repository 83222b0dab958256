package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Measured;
import java.time.Duration;

/**
 * Monitors memory and descriptors of a process: sampled ten times a second from outside, and once a
 * second by the counts that the process logs. The process must be started with {@code
 * Launch.measured}.
 */
final class ResourceMonitor implements AutoCloseable {

  private static final int PERIOD_MILLIS = 100;
  private static final Duration SOON = Duration.ofSeconds(20);

  /** The JVM opens files and pipes of its own. */
  private static final int SPARE_DESCRIPTORS = 8;

  private final JarProcess process;
  private final int mark;
  private final Footprint before;
  private final Thread sampler;
  private volatile boolean stopped;
  private volatile long maxResidentKb;
  private volatile int maxDescriptors;

  private ResourceMonitor(JarProcess process) {
    this.process = process;
    mark = process.mark();
    before = Footprint.of(process);
    sampler = Async.start("resource-monitor", this::sample);
  }

  static ResourceMonitor start(JarProcess process) {
    return new ResourceMonitor(process);
  }

  private void sample() {
    while (!stopped) {
      Footprint now = Footprint.of(process);
      maxResidentKb = Math.max(maxResidentKb, now.residentKb());
      maxDescriptors = Math.max(maxDescriptors, now.descriptors());
      try {
        Thread.sleep(PERIOD_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** Returns the maximum of a count that the process logged since the start. */
  long max(String count) {
    return process.lines(mark, "\\.stats ").stream()
        .map(LogLine::text)
        .filter(text -> text.contains(" " + count + "="))
        .mapToLong(text -> Long.parseLong(text.replaceFirst(".* " + count + "=(\\d+).*", "$1")))
        .max()
        .orElse(0);
  }

  /**
   * Stops monitoring when the process is idle and logs {@code more} counts. Fails if resident
   * memory ever grew by {@code residentMb} MiB, direct memory reached {@code directMb} MiB, or
   * descriptors leaked.
   */
  void assertBounded(String what, int residentMb, int directMb, String... more) {
    process.awaitIdle(SOON, more);
    stopped = true;
    Footprint after = Footprint.of(process);
    Measured.report(
        what,
        "rss=%dk max=%dk after=%dk direct_max=%dk descriptors=%d max=%d after=%d cpu=%dms",
        before.residentKb(),
        maxResidentKb,
        after.residentKb(),
        max("direct") / 1024,
        before.descriptors(),
        maxDescriptors,
        after.descriptors(),
        after.cpuMillis() - before.cpuMillis());
    assertThat(maxResidentKb - before.residentKb())
        .as("growth of resident memory, KiB")
        .isLessThan(residentMb * 1024L);
    assertThat(max("direct")).as("direct memory").isLessThan(directMb * 1024L * 1024);
    assertThat(after.descriptors())
        .as("descriptors")
        .isLessThanOrEqualTo(before.descriptors() + SPARE_DESCRIPTORS);
  }

  @Override
  public void close() {
    stopped = true;
    sampler.interrupt();
  }
}
