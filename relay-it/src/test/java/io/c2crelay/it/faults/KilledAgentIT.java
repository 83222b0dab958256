package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.faults.KillRounds.Phase;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** SIGKILL of the agent, repeatedly, after seeded random delays. */
@Order(5)
@Tag("full")
@Timeout(900) // enough for 100 kills
class KilledAgentIT {

  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();

  private AgentProcess agent(int targetPort, int relayPort) {
    return harness.agent(
        KillRounds.simpleLeakDetection(Launch.agent("" + targetPort, "127.0.0.1", "" + relayPort))
            .key(key));
  }

  @Test
  void sessionsAreResetAndTheNextAgentServes() {
    VerifiedSessions sessions = new VerifiedSessions();
    KillRounds rounds = new KillRounds(sessions, 4);
    Target target = harness.keep(Target.start(sessions));
    RelayProcess relay = harness.relay(key, "--log-level", "debug");
    int port = relay.port();
    AgentProcess agent = agent(target.port(), port);
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    int descriptors = Footprint.of(relay).descriptors();

    for (int round = 0; round < KillRounds.KILLS; round++) {
      Phase phase = KillRounds.phase(round);
      if (phase == Phase.ATTACHING) {
        agent.awaitLog("agent\\.started ", SOON);
      } else {
        agent.awaitReady();
      }
      if (phase != Phase.ATTACHING && phase != Phase.DIALLING) {
        rounds.serve(port, SOON);
      }
      rounds.begin(phase, port);
      rounds.kill(agent);
      agent = agent(target.port(), port);
      rounds.end(SOON);
    }

    agent.awaitReady();
    rounds.serve(port, SOON);
    relay.awaitCounts(
        SOON,
        "agents=1",
        "warm=4",
        "tokens=0",
        "waiting=0",
        "sessions=0",
        "handshakes=0",
        "buffered=0");
    Measured.say("kills of the agent", "%s", rounds);
    assertThat(rounds.resets()).as(rounds.toString()).isGreaterThanOrEqualTo(KillRounds.KILLS);
    Footprint.awaitDescriptors(relay, descriptors, SOON);
  }
}
