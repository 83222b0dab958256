package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.KeepingEcho;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Connections that stop after each byte of a preamble, by the thousand, some from the agent's own
 * address: those that may be users' get sessions, the others end in time, and a user in session
 * goes on meanwhile.
 */
@Tag("full")
@Isolated("it measures")
@Timeout(120)
class HalfPreamblesIT {

  private static final int CONNECTIONS = 5_000;
  private static final int WARM_UP = 1_000;
  private static final int ADDRESSES = 64;

  /**
   * Two cores make the flood, and 2,000 sessions of it, too: 0.1 to 35 ms were seen, 0.2 before.
   */
  private static final long MEDIAN_MICROS = 250_000;

  /** As above: 40 to 650 ms, 2 to 20 before. */
  private static final long P99_MICROS = 5_000_000;

  private static final int PREAMBLE = 16;
  private static final int MAGIC = 8;
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final KeepingEcho atTarget = new KeepingEcho();

  @Test
  void leaveAUserInSessionGoingOnAndNothingBehind() throws Exception {
    Footprint.assumeKnown();
    String key = Harness.newKey();
    Target target = harness.keep(Target.start(atTarget));
    RelayProcess relay =
        harness.relay(
            Launch.relay("--log-level", "debug", "--wait", "60s", "0")
                .unitJvm()
                .jvmArgs(Watch.TOUCHED)
                .key(key));
    AgentProcess agent =
        harness.agent(
            Launch.agent("--log-level", "debug", "" + target.port(), "127.0.0.1", "" + relay.port())
                .unitJvm()
                .jvmArgs(Watch.TOUCHED)
                .key(key));
    agent.awaitReady();
    try (Echoing user = Echoing.by(TcpEnd.connect(relay.port()))) {
      try (Swarm first = halfPreambles(relay, WARM_UP)) {
        first.awaitConnected(SOON);
      }
      relay.awaitCounts(SOON, "unidentified=0", "handshakes=0", "waiting=0", "sessions=1");
      user.begin();
      TimeUnit.SECONDS.sleep(2);
      user.lap("half preambles, before");
      try (Watch watch = Watch.over(relay);
          Watch agentWatch = Watch.over(agent)) {
        user.begin();
        try (Swarm swarm = halfPreambles(relay, CONNECTIONS)) {
          swarm.awaitConnected(SOON);
          int mayBeUsers = mayBeUsers();
          await("the others have ended").atMost(SOON).until(() -> swarm.staying() <= mayBeUsers);
          Echoing.Times meanwhile = user.lap("half preambles, meanwhile");
          assertThat(swarm.staying()).as("silent users").isEqualTo(mayBeUsers);
          assertThat(meanwhile.medianMicros()).as("median echo, us").isLessThan(MEDIAN_MICROS);
          assertThat(meanwhile.p99Micros()).as("99 of 100 echoes, us").isLessThan(P99_MICROS);
        }
        user.leave();
        watch.assertFlat(
            "half preambles, relay",
            48,
            48,
            "unidentified=0",
            "handshakes=0",
            "waiting=0",
            "sessions=0",
            "buffered=0");
        agentWatch.assertFlat("half preambles, agent", 48, 48, "sessions=0", "buffered=0");
      }
    }
    assertThat(atTarget.heard())
        .as("what came first at the target")
        .allMatch(first -> first.length < MAGIC || first[0] != Wire.magic()[0]);
  }

  private static Swarm halfPreambles(RelayProcess relay, int count) {
    Swarm swarm = Swarm.around(relay.address());
    for (int i = 0; i < count; i++) {
      swarm.add(
          "127.0." + (i % ADDRESSES == 0 ? "0.1" : "1." + i % ADDRESSES),
          Arrays.copyOf(Wire.preamble(Wire.KIND_CONTROL), i % PREAMBLE),
          Swarm.Then.values()[i / PREAMBLE % 3]);
    }
    return swarm;
  }

  /** Those that stay and have not said all of the magic. */
  private static int mayBeUsers() {
    int count = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
      if (i % PREAMBLE < MAGIC && Swarm.Then.values()[i / PREAMBLE % 3] == Swarm.Then.STAYS) {
        count++;
      }
    }
    return count;
  }
}
