package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Connections that stop after each byte of a preamble, by the thousand, some from the agent's own
 * address: those that may be users' get sessions, the others end in time, and a user in session
 * hardly notices.
 */
@Tag("full")
@Isolated("it measures")
@Timeout(120)
class HalfPreamblesIT {

  private static final int CONNECTIONS = 5_000;
  private static final int ADDRESSES = 64;
  private static final int MAGIC = 8;
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final Queue<byte[]> atTarget = new ConcurrentLinkedQueue<>();

  /** Echoes, and keeps what came first. */
  private void echoAndKeep(TcpEnd connection) throws IOException {
    byte[] first = new byte[32];
    int length = connection.in().read(first);
    if (length > 0) {
      byte[] kept = Arrays.copyOf(first, length);
      atTarget.add(kept);
      connection.send(kept);
    }
    Behaviour.ECHO.serve(connection);
  }

  @Disabled(
      "the figure before is of a cold JVM, the one meanwhile of a loaded machine: to be measured again")
  @Test
  void leaveAUserInSessionItsSpeedAndNothingBehind() throws Exception {
    Footprint.assumeKnown();
    String key = Harness.newKey();
    Target target = harness.keep(Target.start(this::echoAndKeep));
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
    try (Echoing user = Echoing.by(TcpEnd.connect(relay.port()));
        Watch watch = Watch.over(relay);
        Watch agentWatch = Watch.over(agent)) {
      long quietSince = System.nanoTime();
      TimeUnit.SECONDS.sleep(3);
      Echoing.Speed quiet = user.lap("half preambles, before", quietSince);
      long floodSince = System.nanoTime();
      try (Swarm swarm = Swarm.around(relay.address())) {
        for (int i = 0; i < CONNECTIONS; i++) {
          int stop = i % 17;
          Swarm.Then then = Swarm.Then.values()[i / 17 % 3];
          swarm.add(
              "127.0." + (i % ADDRESSES == 0 ? "0.1" : "1." + i % ADDRESSES),
              Arrays.copyOf(Wire.preamble(Wire.KIND_CONTROL), stop),
              then);
        }
        swarm.awaitConnected(SOON);
        int mayBeUsers = mayBeUsers();
        await("the others have ended").atMost(SOON).until(() -> swarm.staying() <= mayBeUsers);
        Echoing.Speed flooded = user.lap("half preambles, meanwhile", floodSince);
        assertThat(swarm.staying()).as("silent users").isEqualTo(mayBeUsers);
        assertThat(flooded.slowestMillis()).as("slowest echo, ms").isLessThan(2_000);
        assertThat(flooded.perSecond()).as("echoes a second").isGreaterThan(quiet.perSecond() / 5);
      }
      user.leave();
      watch.assertFlat(
          "half preambles, relay",
          48,
          48,
          "unclassified=0",
          "handshakes=0",
          "waiting=0",
          "sessions=0",
          "buffered=0");
      agentWatch.assertFlat("half preambles, agent", 48, 48, "sessions=0", "buffered=0");
    }
    assertThat(atTarget)
        .as("what came first at the target")
        .allMatch(first -> first.length < MAGIC || first[0] != Wire.magic()[0]);
  }

  /** Those that stay and have not said all of the magic. */
  private static int mayBeUsers() {
    int count = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
      if (i % 17 < MAGIC && Swarm.Then.values()[i / 17 % 3] == Swarm.Then.STAYS) {
        count++;
      }
    }
    return count;
  }
}
