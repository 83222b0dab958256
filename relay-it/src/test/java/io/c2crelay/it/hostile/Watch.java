package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Measured;
import java.time.Duration;

/**
 * What a process takes while strangers are at it: looked at ten times a second, and counted by
 * itself once a second. It must log at debug, and have touched its heap, so that what grows is
 * something else.
 */
final class Watch implements AutoCloseable {

  /** For {@code Launch.jvmArgs}. */
  static final String TOUCHED = "-XX:+AlwaysPreTouch";

  private static final int EVERY_MILLIS = 100;
  private static final Duration SOON = Duration.ofSeconds(20);

  /** Kept by the JVM for files and pipes of its own, as they come and go. */
  private static final int SPARE_DESCRIPTORS = 8;

  private final JarProcess process;
  private final int mark;
  private final Footprint before;
  private final Thread looking;
  private volatile boolean over;
  private volatile long mostResidentKb;
  private volatile int mostDescriptors;

  private Watch(JarProcess process) {
    this.process = process;
    mark = process.mark();
    before = Footprint.of(process);
    looking = new Thread(this::look, "watch");
    looking.setDaemon(true);
    looking.start();
  }

  static Watch over(JarProcess process) {
    return new Watch(process);
  }

  private void look() {
    while (!over) {
      Footprint now = Footprint.of(process);
      mostResidentKb = Math.max(mostResidentKb, now.residentKb());
      mostDescriptors = Math.max(mostDescriptors, now.descriptors());
      try {
        Thread.sleep(EVERY_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** The most that the process has counted of something since the beginning. */
  long most(String count) {
    return process.lines(mark, "\\.counts ").stream()
        .map(LogLine::text)
        .filter(text -> text.contains(" " + count + "="))
        .mapToLong(text -> Long.parseLong(text.replaceFirst(".* " + count + "=(\\d+).*", "$1")))
        .max()
        .orElse(0);
  }

  /**
   * Waits for these counts, then fails if memory grew by more than this, in MiB, at any time, or if
   * descriptors did not come back.
   */
  void assertFlat(String what, int residentMb, int directMb, String... atRest) {
    process.awaitCounts(SOON, atRest);
    over = true;
    Footprint after = Footprint.of(process);
    Measured.say(
        what,
        "rss=%dk most=%dk after=%dk direct_most=%dk descriptors=%d most=%d after=%d cpu=%dms",
        before.residentKb(),
        mostResidentKb,
        after.residentKb(),
        most("direct") / 1024,
        before.descriptors(),
        mostDescriptors,
        after.descriptors(),
        after.cpuMillis() - before.cpuMillis());
    assertThat(mostResidentKb - before.residentKb())
        .as("growth of resident memory, KiB")
        .isLessThan(residentMb * 1024L);
    assertThat(most("direct")).as("direct memory").isLessThan(directMb * 1024L * 1024);
    assertThat(after.descriptors())
        .as("descriptors")
        .isLessThanOrEqualTo(before.descriptors() + SPARE_DESCRIPTORS);
  }

  @Override
  public void close() {
    over = true;
    looking.interrupt();
  }
}
