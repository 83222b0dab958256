package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.KeepingEcho;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
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

  private final String key = Harness.newKey();

  private Target echo() {
    return harness.keep(Target.start(Behaviour.ECHO));
  }

  private TcpEnd user(int port) {
    return harness.keep(TcpEnd.connect(port));
  }

  @Test
  void relayDrainsOnSigterm() {
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = user(pair.port()).echo("before");
    TcpEnd other = user(pair.port()).echo("before");
    pair.relay().terminate();
    pair.relay().awaitLog("relay\\.draining", SOON);
    user.echo("in session while it drains");
    await("new users are refused").atMost(SOON).until(() -> refused(pair.port()));
    user.finish();
    assertThat(user.receiveAll()).isEmpty();
    other.echo("the last one").finish();
    assertThat(other.receiveAll()).isEmpty();
    assertThat(pair.relay().awaitExit(Duration.ofSeconds(5))).isZero();
    pair.relay().awaitLog("relay\\.stopped", SOON);
    assertThat(pair.agent().isAlive()).as("agent is alive").isTrue();
    assertThat(pair.relay().lines("session\\.close .*reason=DONE")).hasSize(2);
    pair.relay().awaitLog("agent\\.detached .*reason=DRAINING", SOON);
  }

  private static boolean refused(int port) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
      return false;
    } catch (IOException e) {
      return true;
    }
  }

  @Test
  void idleProcessesStopPromptly() {
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = user(pair.port()).echo("done");
    user.finish();
    assertThat(user.receiveAll()).isEmpty();
    pair.relay().awaitLog("session\\.close ", SOON);
    pair.relay().terminate();
    assertThat(pair.relay().awaitExit(PROMPTLY)).isZero();
    pair.agent().terminate();
    assertThat(pair.agent().awaitExit(PROMPTLY)).isZero();
  }

  @Test
  void drainResetsWaitingUsers() {
    RelayProcess relay = harness.relay(key);
    TcpEnd waiting = user(relay.port()).send("hello");
    relay.terminate();
    assertThat(waiting.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(relay.awaitExit(Duration.ofSeconds(5))).isZero();
  }

  @Test
  void drainTimeoutAbortsSessions() {
    Pair pair = Pair.of(harness, echo()).relayOptions("--drain", "1").start();
    TcpEnd user = user(pair.port()).echo("before");
    pair.relay().terminate();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.relay().awaitExit(Duration.ofSeconds(5));
  }

  @Test
  void secondSigtermStopsPromptly() {
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = user(pair.port()).echo("before");
    pair.relay().terminate();
    pair.relay().awaitLog("relay\\.draining", SOON);
    user.echo("drains");
    pair.relay().terminate();
    pair.relay().awaitExit(PROMPTLY);
    user.awaitEnd(SOON);
  }

  @Test
  void drainingAgentGetsNoNewUsers() {
    KeepingEcho two = new KeepingEcho();
    Pair pair = Pair.start(harness, echo());
    TcpEnd user = user(pair.port()).echo("before");
    harness.agent(pair.key(), harness.keep(Target.start(two)).port(), pair.port()).awaitReady();
    int relayMark = pair.relay().mark();
    pair.agent().terminate();
    user.echo("in session while it drains");
    // Until the relay has read GOAWAY, it may still assign users to the draining agent.
    pair.relay().awaitLog(relayMark, "agent\\.draining ", SOON);
    for (int i = 0; i < 5; i++) {
      int before = two.heard().size();
      user(pair.port()).echo("user " + i);
      assertThat(two.heard().size()).isEqualTo(before + 1);
    }
    user.echo("the last").finish();
    assertThat(user.receiveAll()).isEmpty();
    assertThat(pair.agent().awaitExit(Duration.ofSeconds(5))).isZero();
    pair.relay().awaitLog(relayMark, "agent\\.detached ", SOON);
  }

  @Test
  void sigintDrains() {
    String[] withSigint = {"env", "--default-signal=INT"};
    assumeTrue(hasEnvWithSignals(), "needs env --default-signal");
    Target target = echo();
    RelayProcess relay = harness.relay(Launch.relay("0").key(key).wrappedIn(withSigint));
    AgentProcess agent =
        harness.agent(
            Launch.agent("" + target.port(), "127.0.0.1", "" + relay.port())
                .key(key)
                .wrappedIn(withSigint));
    agent.awaitReady();
    TcpEnd user = user(relay.port()).echo("before");
    relay.interrupt();
    relay.awaitLog("relay\\.draining", SOON);
    user.echo("drains").finish();
    assertThat(user.receiveAll()).isEmpty();
    assertThat(relay.awaitExit(Duration.ofSeconds(5))).isZero();
    agent.interrupt();
    assertThat(agent.awaitExit(Duration.ofSeconds(5))).isZero();
  }

  private static boolean hasEnvWithSignals() {
    try {
      Process env =
          new ProcessBuilder("env", "--default-signal=INT", "true")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return env.waitFor() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
