package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Hours of mixed traffic, with connections between agent and relay cut now and then; {@code
 * -Dsoak.duration=1h} (or {@code 90s}, {@code 10m}) says how long.
 */
@Tag("soak")
@Timeout(value = 25, unit = TimeUnit.HOURS)
@Isolated("it measures")
class SoakIT {

  private static final long SECONDS =
      Duration.parse("PT" + System.getProperty("soak.duration", "1h").toUpperCase(Locale.ROOT))
          .toSeconds();

  private static final long WARM_UP = Math.min(300, Math.max(20, SECONDS / 10));
  private static final long SAMPLE = Math.max(5, SECONDS / 60);

  /** After a minute attached, an agent has forgotten earlier losses and comes back at once. */
  private static final long CONTROL_CUT = Math.min(75, SECONDS / 2);

  private static final long DATA_CUT = Math.min(600, SECONDS / 3);

  /** What the JVM has compiled after the warm-up. */
  private static final long RESIDENT_SLACK_MIB = 8;

  @RegisterExtension final Harness harness = Harness.perTest();

  private final Traffic traffic = new Traffic();
  private UnitPair pair;
  private int cut;

  @Test
  void memoryDescriptorsAndThreadsEndWhereTheyBegan() throws InterruptedException {
    Target target = harness.keep(Target.start(traffic));
    pair = UnitPair.startWithFaults(harness, target.port());

    run(WARM_UP);
    pair.rest();
    run(SECONDS);
    pair.assertBackAtRest("a soak of " + SECONDS + " s", RESIDENT_SLACK_MIB);
  }

  private void run(long seconds) throws InterruptedException {
    traffic.start(pair.address());
    for (long second = 1; second <= seconds; second++) {
      Thread.sleep(1_000);
      assertNothingWrong();
      if (second % SAMPLE == 0) {
        say(second);
      }
      if (second % CONTROL_CUT == 0) {
        pair.network().reset(Wire.KIND_CONTROL);
      }
      if (second % DATA_CUT == 0) {
        cut += pair.network().reset(Wire.KIND_DATA);
      }
    }
    traffic.stop();
    await().atMost(Duration.ofSeconds(30)).until(() -> traffic.atTarget() == 0);
    assertNothingWrong();
  }

  private void assertNothingWrong() {
    assertThat(traffic.failures()).isEmpty();
    assertThat(traffic.resetAtUser()).as("sessions reset at the user").isLessThanOrEqualTo(cut);
    assertThat(traffic.resetAtTarget()).as("sessions reset at the target").isLessThanOrEqualTo(cut);
  }

  private void say(long second) {
    Measured.say(
        "soak",
        "%6d s %7d done %5d reset, relay %s, agent %s",
        second,
        traffic.done(),
        traffic.resetAtUser(),
        figures(pair.relay()),
        figures(pair.agent()));
  }

  private static String figures(JarProcess process) {
    return Footprint.of(process) + " direct=" + process.counts().value("direct");
  }
}
