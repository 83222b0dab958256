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
 * Hours of mixed traffic with periodic resets of connections between agent and relay. The system
 * property {@code soak.duration} sets the time: {@code 90s}, {@code 10m}, {@code 1h}.
 */
@Tag("soak")
@Timeout(value = 25, unit = TimeUnit.HOURS)
@Isolated("measures memory")
class SoakIT {

  private static final long SECONDS =
      Duration.parse("PT" + System.getProperty("soak.duration", "1h").toUpperCase(Locale.ROOT))
          .toSeconds();

  private static final long WARM_UP = Math.min(300, Math.max(20, SECONDS / 10));
  private static final long SAMPLE_PERIOD = Math.max(5, SECONDS / 60);

  /** After a minute attached, the agent's back-off is reset. */
  private static final long CONTROL_RESET_PERIOD = Math.min(75, SECONDS / 2);

  private static final long DATA_RESET_PERIOD = Math.min(600, SECONDS / 3);

  /** For code compiled after the warm-up. */
  private static final long RESIDENT_SLACK_MIB = 8;

  @RegisterExtension final Harness harness = Harness.perTest();

  private final Traffic traffic = new Traffic();
  private UnitPair pair;
  private int dataResets;

  @Test
  void nothingLeaks() throws InterruptedException {
    Target target = harness.target(traffic);
    pair = UnitPair.startWithFaults(harness, target);

    run(WARM_UP);
    pair.recordIdle();
    run(SECONDS);
    pair.assertIdle("a soak of " + SECONDS + " s", RESIDENT_SLACK_MIB);
  }

  private void run(long seconds) throws InterruptedException {
    traffic.start(pair.address());
    for (long second = 1; second <= seconds; second++) {
      Thread.sleep(1_000);
      assertNoFailures();
      if (second % SAMPLE_PERIOD == 0) {
        report(second);
      }
      if (second % CONTROL_RESET_PERIOD == 0) {
        pair.network().reset(Wire.KIND_CONTROL);
      }
      if (second % DATA_RESET_PERIOD == 0) {
        dataResets += pair.network().reset(Wire.KIND_DATA);
      }
    }
    traffic.stop();
    await().atMost(Duration.ofSeconds(30)).until(() -> traffic.openAtTarget() == 0);
    assertNoFailures();
  }

  private void assertNoFailures() {
    assertThat(traffic.failures()).isEmpty();
    assertThat(traffic.resetAtUser())
        .as("sessions reset at the user")
        .isLessThanOrEqualTo(dataResets);
    assertThat(traffic.resetAtTarget())
        .as("sessions reset at the target")
        .isLessThanOrEqualTo(dataResets);
  }

  private void report(long second) {
    Measured.report(
        "soak",
        "%6d s %7d completed %5d reset, relay %s, agent %s",
        second,
        traffic.completed(),
        traffic.resetAtUser(),
        resources(pair.relay()),
        resources(pair.agent()));
  }

  private static String resources(JarProcess process) {
    return Footprint.of(process) + " direct=" + process.counts().value("direct");
  }
}
