package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.faults.KillRounds.Phase;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** SIGKILL of the relay, repeatedly, after seeded random delays. */
@Order(4)
@Tag("full")
@Timeout(900) // enough for 100 kills
class KilledRelayIT {

  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private final int port = Ports.free();

  private RelayProcess relayFor(int round) {
    String pool = KillRounds.phase(round) == Phase.DIALLING ? "0" : "4";
    return harness.relay(
        KillRounds.simpleLeakDetection(
                Launch.relay("" + port, "--pool", pool, "--log-level", "debug"))
            .key(key));
  }

  @Test
  void sessionsAreResetAndTheNextRelayServes() {
    VerifiedSessions sessions = new VerifiedSessions();
    KillRounds rounds = new KillRounds(sessions, 3);
    Target target = harness.keep(Target.start(sessions));
    RelayProcess relay = relayFor(0);
    relay.awaitListening();
    AgentProcess agent = harness.agent(key, target.port(), port, "--log-level", "debug");
    relay.awaitCounts(SOON, "warm=4");
    int descriptors = Footprint.of(agent).descriptors();

    for (int round = 0; round < KillRounds.KILLS; round++) {
      Phase phase = KillRounds.phase(round);
      relay.awaitListening();
      if (phase != Phase.ATTACHING) {
        relay.awaitLog("agent\\.attached ", SOON);
        rounds.serve(port, SOON);
      }
      rounds.begin(phase, port);
      rounds.kill(relay);
      relay = relayFor(round + 1);
      rounds.end(SOON);
    }

    relay.awaitLog("agent\\.attached ", SOON);
    rounds.serve(port, SOON);
    agent.awaitCounts(SOON, "sessions=0", "buffered=0");
    Measured.say("kills of the relay", "%s", rounds);
    assertThat(rounds.resets()).as(rounds.toString()).isGreaterThanOrEqualTo(KillRounds.KILLS);
    Footprint.awaitDescriptors(agent, descriptors, SOON);
  }
}
