package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Command;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RecordingEcho;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Graceful shutdown of both processes: sessions finish first, then the process exits. */
@Timeout(90)
class DrainIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** Well below the default of {@code --drain}, 30 s. */
  private static final Duration PROMPTLY = Duration.ofSeconds(8);

  @RegisterExtension final Harness harness = Harness.perTest();

  private Target echo() {
    return harness.target(Behaviour.ECHO);
  }

  @Test
  void relayDrainsOnSigterm() {
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = harness.user(pair.port()).echo("before");
    TcpEnd other = harness.user(pair.port()).echo("before");
    pair.relay().terminate();
    pair.relay().awaitLog("relay\\.draining", SOON);
    user.echo("in session while it drains");
    await("new users are refused").atMost(SOON).until(() -> !Ports.isListening(pair.port()));
    user.finishCleanly();
    other.echo("the last one").finishCleanly();
    assertThat(pair.relay().awaitExit(Duration.ofSeconds(5))).isZero();
    pair.relay().awaitLog("relay\\.stopped", SOON);
    assertThat(pair.agent().isAlive()).as("agent is alive").isTrue();
    assertThat(pair.relay().lines("session\\.close .*reason=DONE")).hasSize(2);
    pair.relay().awaitLog("agent\\.detached .*reason=DRAINING", SOON);
  }

  @Test
  void idleProcessesStopPromptly() {
    Pair pair = Pair.start(harness, echo());
    harness.user(pair.port()).echo("done").finishCleanly();
    pair.relay().awaitLog("session\\.close ", SOON);
    pair.relay().terminate();
    assertThat(pair.relay().awaitExit(PROMPTLY)).isZero();
    pair.agent().terminate();
    assertThat(pair.agent().awaitExit(PROMPTLY)).isZero();
  }

  @Test
  void drainResetsWaitingUsers() {
    RelayProcess relay = harness.relay(Harness.newKey());
    TcpEnd waiting = harness.user(relay.port()).send("hello");
    relay.terminate();
    assertThat(waiting.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(relay.awaitExit(Duration.ofSeconds(5))).isZero();
  }

  @Test
  void drainTimeoutAbortsSessions() {
    Pair pair = Pair.of(harness, echo()).relayOptions("--drain", "1").start();
    TcpEnd user = harness.user(pair.port()).echo("before");
    pair.relay().terminate();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.relay().awaitExit(Duration.ofSeconds(5));
  }

  @Test
  void drainingAgentGetsNoNewUsers() {
    RecordingEcho two = new RecordingEcho();
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = harness.user(pair.port()).echo("before");
    harness.agent(pair.key(), harness.target(two).port(), pair.port()).awaitReady();
    int relayMark = pair.relay().mark();
    pair.agent().terminate();
    user.echo("in session while it drains");
    // Until the relay has read GOAWAY, it may still assign users to the draining agent.
    pair.relay().awaitLog(relayMark, "agent\\.draining ", SOON);
    for (int i = 0; i < 5; i++) {
      int before = two.firstBytes().size();
      harness.user(pair.port()).echo("user " + i);
      assertThat(two.firstBytes().size()).isEqualTo(before + 1);
    }
    user.echo("the last").finishCleanly();
    assertThat(pair.agent().awaitExit(Duration.ofSeconds(5))).isZero();
    pair.relay().awaitLog(relayMark, "agent\\.detached ", SOON);
  }

  @Test
  void secondSignalStopsPromptly() {
    String[] withSigint = {"env", "--default-signal=INT"};
    boolean known = Command.run("env", "--default-signal=INT", "true").succeeded();
    assumeTrue(known, "needs env --default-signal");
    Pair pair = Pair.of(harness, echo()).both(launch -> launch.wrappedIn(withSigint)).start();
    TcpEnd user = harness.user(pair.port()).echo("before");
    pair.relay().interrupt();
    pair.relay().awaitLog("relay\\.draining", SOON);
    user.echo("drains");
    pair.relay().terminate();
    pair.relay().awaitExit(PROMPTLY);
    user.awaitEnd(SOON);
    pair.agent().interrupt();
    assertThat(pair.agent().awaitExit(PROMPTLY)).isZero();
  }
}
