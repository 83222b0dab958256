package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Floods of frames from unauthenticated peers and from an agent with the key. The relay's memory
 * stays bounded and the session of another agent continues.
 */
@Tag("full")
@Isolated("measures memory")
@Timeout(60)
class FrameFloodIT {

  private static final int MEBIBYTE = 1 << 20;
  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  private Pair other;
  private TcpEnd otherUser;
  private RelayProcess relay;
  private RawAgent agent;
  private RawControl control;
  private ResourceMonitor monitor;

  @BeforeEach
  void start() {
    other =
        Pair.of(harness, harness.target(Behaviour.ECHO))
            .relay(Launch::measured)
            .relayOptions("--pool", "1")
            .start();
    otherUser = other.user().echo("in session\n");
    relay = other.relay();
    agent = RawAgent.of(relay, other.key());
    control = harness.keep(agent.attach());
    monitor = harness.keep(ResourceMonitor.start(relay));
  }

  @AfterEach
  void otherSessionContinues() {
    otherUser.echo("still in session\n").close();
    control.close(); // also closes its warm connections
    other.agent().close();
    // 14 and 4 MiB were measured; up to 68 MiB are sent
    monitor.assertBounded("floods of frames", 32, 16, "agents=0", "warm=0", "tokens=0");
  }

  @Test
  void unauthenticatedPeersAreResetAt16KiB() {
    byte[] flood = RawFrame.of(0x80, new byte[1000]).fill(MEBIBYTE);
    List<Async<RawConnection.End>> ends = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      ends.add(
          Async.run(
              () -> {
                RawConnection peer = harness.keep(agent.openControl()).connection();
                return peer.trySendBytes(flood).awaitEnd(SOON);
              }));
    }
    for (Async<RawConnection.End> end : ends) {
      assertThat(end.get(SOON.plus(SOON)).frames()).as("at most a CHALLENGE").hasSizeLessThan(2);
    }
    relay.awaitLog("handshake\\.dropped .*reason=BYTES", SOON);
  }

  @Test
  void controlConnectionAppliesBackpressure() {
    RawConnection connection = control.connection();
    connection.sendBytes(RawFrame.of(Wire.PING, new byte[8]).fill(4 * MEBIBYTE)); // no PONG is read
    connection.sendBytes(RawFrame.of(0x80, new byte[4096]).fill(16 * MEBIBYTE));
    connection.sendBytes(RawFrame.of(Wire.DIAL_FAILED, new byte[17]).fill(4 * MEBIBYTE));
    connection.sendBytes(RawFrame.of(Wire.GOAWAY, new byte[] {9}).fill(MEBIBYTE / 4));
    byte[] last = Wire.random(8);
    Async<Boolean> answered =
        Async.run(
            () -> {
              connection.send(Wire.PING, last);
              while (!Arrays.equals(connection.awaitPong().payload(), last)) {
                connection.send(Wire.PING, last); // previous ones may have been dropped
              }
              return true;
            });
    assertThat(answered.get(SOON.plus(SOON))).as("still attached").isTrue();
    assertThat(relay.lines("agent\\.draining ")).as("GOAWAY frames logged").hasSize(1);
  }

  @Test
  void warmConnectionDropsUnknownFrames() {
    RawConnection data = harness.keep(agent.warm(control));
    data.sendBytes(RawFrame.of(0xFE, new byte[16_000]).fill(32 * MEBIBYTE));
    data.send(Wire.PONG, new byte[8]); // unsolicited: closes the connection
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
  }

  @Test
  void stalledUserStopsReadsFromAgent() throws Exception {
    RawConnection data = harness.keep(agent.warm(control));
    TcpEnd user = harness.user(relay.port()).send("hello");
    data.expect(Wire.START);
    data.send(Wire.STARTED);
    data.sendBytes(RawFrame.of(Wire.DATA).fill(4 * MEBIBYTE)); // a million empty frames
    Async<RawConnection> sending =
        Async.run(
            () -> data.sendBytes(RawFrame.of(Wire.DATA, new byte[16_000]).fill(64 * MEBIBYTE)));
    TimeUnit.SECONDS.sleep(3);
    assertThat(sending.isDone()).as("all bytes accepted").isFalse();
    assertThat(monitor.max("buffered")).as("buffered").isLessThan(MEBIBYTE);
    user.reset();
    data.expect(Wire.DATA);
    data.expect(Wire.RESET);
    data.close(); // as an agent does at RESET; the relay waits for it
  }
}
