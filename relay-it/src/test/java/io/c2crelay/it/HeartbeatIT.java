package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.FaultProxy;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Connections that stall without FIN or RST are detected by the heartbeat. */
@Timeout(90)
class HeartbeatIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();

  /**
   * All cases at once, as each takes the heartbeat's 25 s: a network that drops everything, a
   * frozen agent, a silent relay, and a peer that is silent after CHALLENGE.
   */
  @Test
  void silentPeersAreDetected() {
    Duration limit = Duration.ofSeconds(35);
    Target target = harness.target(Behaviour.ECHO);

    RelayProcess relay = harness.relay(key);
    FaultProxy network = harness.keep(FaultProxy.to(relay));
    AgentProcess cut = harness.agent(key, target.port(), network.port(), "--label", "cut");
    AgentProcess frozen = harness.agent(key, target.port(), relay.port(), "--label", "frozen");
    RawRelay silentRelay = harness.keep(RawRelay.start(key));
    AgentProcess agentOfSilentRelay = harness.agent(key, target.port(), silentRelay.port());
    harness.keep(silentRelay.attach());
    cut.awaitReady();
    frozen.awaitReady();
    agentOfSilentRelay.awaitReady();
    RawControl silentPeer = harness.keep(RawAgent.of(relay, key).openControl().readChallenge());

    int relayMark = relay.mark();
    network.hold();
    frozen.freeze();
    try {
      RawConnection.End end = silentPeer.connection().awaitEnd(Duration.ofSeconds(14));
      assertThat(end.frames()).isEmpty();
      relay.awaitLog(relayMark, "agent\\.detached .*", limit);
      await("both agents are detached")
          .atMost(limit)
          .until(() -> relay.lines(relayMark, "agent\\.detached ").size() == 2);
      cut.awaitLog("control\\.lost ", limit);
      agentOfSilentRelay.awaitLog("control\\.lost ", limit);
    } finally {
      frozen.thaw();
      network.release();
    }
    await("both agents are attached")
        .atMost(Duration.ofSeconds(25))
        .until(() -> relay.lines(relayMark, "agent\\.attached ").size() >= 2);
    harness.user(relay.port()).echo("served again");
  }
}
