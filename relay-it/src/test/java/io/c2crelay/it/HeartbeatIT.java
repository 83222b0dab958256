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
import io.c2crelay.it.support.TcpEnd;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Nothing ends and nothing comes: only the heartbeat tells. */
@Timeout(90)
class HeartbeatIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();

  private Target echo() {
    return harness.keep(Target.start(Behaviour.ECHO));
  }

  private TcpEnd user(int port) {
    return harness.keep(TcpEnd.connect(port));
  }

  // ---- silence

  /**
   * Everything that takes the heartbeat's 25 s, at once: a network that swallows everything, a
   * frozen agent, a relay that says nothing, and a stranger who says nothing after CHALLENGE.
   */
  @Test
  void silenceIsNoticedWithinTheHeartbeat() {
    Duration dead = Duration.ofSeconds(35);
    Target target = echo();

    RelayProcess relay = harness.relay(key);
    FaultProxy network = harness.keep(FaultProxy.to(relay));
    AgentProcess cut = harness.agent(key, target.port(), network.port(), "--label", "cut");
    AgentProcess frozen = harness.agent(key, target.port(), relay.port(), "--label", "frozen");
    RawRelay silentRelay = harness.keep(RawRelay.start(key));
    AgentProcess ofSilentRelay = harness.agent(key, target.port(), silentRelay.port());
    harness.keep(silentRelay.attach());
    cut.awaitReady();
    frozen.awaitReady();
    ofSilentRelay.awaitReady();
    RawControl dumb = harness.keep(RawAgent.of(relay, key).openControl().readChallenge());

    int relayMark = relay.mark();
    network.hold();
    frozen.freeze();
    try {
      RawConnection.End end = dumb.connection().awaitEnd(Duration.ofSeconds(14));
      assertThat(end.frames()).isEmpty();
      relay.awaitLog(relayMark, "agent\\.detached .*", dead);
      await("both agents are given up")
          .atMost(dead)
          .until(() -> relay.lines(relayMark, "agent\\.detached ").size() == 2);
      cut.awaitLog("control\\.lost ", dead);
      ofSilentRelay.awaitLog("control\\.lost ", dead);
    } finally {
      frozen.thaw();
      network.release();
    }
    await("both agents are back")
        .atMost(Duration.ofSeconds(25))
        .until(() -> relay.lines(relayMark, "agent\\.attached ").size() >= 2);
    user(relay.port()).echo("served again");
  }
}
