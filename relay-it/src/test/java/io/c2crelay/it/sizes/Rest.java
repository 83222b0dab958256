package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.JarProcess;
import java.time.Duration;

/**
 * What a process takes when it has nothing to do, after a collection, and after malloc gave back
 * what it had kept for the next time.
 *
 * @param liveHeapKb on the heap
 * @param directKb what Netty's allocator holds
 */
record Rest(Footprint footprint, long liveHeapKb, long directKb) {

  private static final Duration SETTLE = Duration.ofSeconds(30);

  /** Classes and caches of what was done for the first time. */
  private static final long LIVE_HEAP_SLACK_KB = 4 * 1024;

  /** Once the process counts no more than this. */
  static Rest of(JarProcess process, String... counts) {
    process.awaitCounts(SETTLE, counts);
    long liveHeapKb = process.liveHeapKb();
    long directKb = Long.parseLong(process.counts().value("direct")) / 1024;
    process.trimNativeHeap();
    return new Rest(Footprint.of(process), liveHeapKb, directKb);
  }

  /** Fails unless this is what it was before, but for so much of what is in RAM. */
  void assertBackAt(Rest before, long slackKb) {
    assertThat(footprint.descriptors()).as("descriptors").isEqualTo(before.footprint.descriptors());
    assertThat(before.footprint.threads())
        .as("threads that there were")
        .containsAll(footprint.threads());
    assertThat(footprint.threads().size())
        .as("threads")
        .isLessThanOrEqualTo(before.footprint.threads().size());
    assertThat(liveHeapKb)
        .as("kilobytes alive on the heap")
        .isLessThanOrEqualTo(before.liveHeapKb + LIVE_HEAP_SLACK_KB);
    assertThat(directKb)
        .as("kilobytes of direct memory")
        .isLessThanOrEqualTo(before.directKb + slackKb);
    assertThat(footprint.residentKb())
        .as("kilobytes in RAM")
        .isLessThanOrEqualTo(before.footprint.residentKb() + slackKb);
  }

  @Override
  public String toString() {
    return footprint + " heap=" + liveHeapKb + "k direct=" + directKb + "k";
  }
}
