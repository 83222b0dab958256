package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.JarProcess;
import java.time.Duration;

/**
 * The resources of an idle process after a garbage collection and a trim of the native heap.
 *
 * @param liveHeapKb reachable objects
 * @param directKb memory held by Netty's allocator
 */
record IdleFootprint(Footprint footprint, long liveHeapKb, long directKb) {

  private static final Duration IDLE_TIMEOUT = Duration.ofSeconds(30);

  /** Classes and caches that are initialised on first use. */
  private static final long LIVE_HEAP_SLACK_KB = 4 * 1024;

  /** Waits until the process is idle and logs {@code more} counts. */
  static IdleFootprint of(JarProcess process, String... more) {
    process.awaitIdle(IDLE_TIMEOUT, more);
    long liveHeapKb = process.liveHeapKb();
    long directKb = Long.parseLong(process.counts().value("direct")) / 1024;
    process.trimNativeHeap();
    return new IdleFootprint(Footprint.of(process), liveHeapKb, directKb);
  }

  /** Fails if this exceeds {@code before} by more than {@code slackKb} of memory. */
  void assertNoGrowth(IdleFootprint before, long slackKb) {
    assertThat(footprint.descriptors()).as("descriptors").isEqualTo(before.footprint.descriptors());
    assertThat(before.footprint.threads()).as("threads before").containsAll(footprint.threads());
    assertThat(footprint.threads().size())
        .as("threads")
        .isLessThanOrEqualTo(before.footprint.threads().size());
    assertThat(liveHeapKb)
        .as("live heap, KiB")
        .isLessThanOrEqualTo(before.liveHeapKb + LIVE_HEAP_SLACK_KB);
    assertThat(directKb).as("direct memory, KiB").isLessThanOrEqualTo(before.directKb + slackKb);
    assertThat(footprint.residentKb())
        .as("resident memory, KiB")
        .isLessThanOrEqualTo(before.footprint.residentKb() + slackKb);
  }

  @Override
  public String toString() {
    return footprint + " heap=" + liveHeapKb + "k direct=" + directKb + "k";
  }
}
