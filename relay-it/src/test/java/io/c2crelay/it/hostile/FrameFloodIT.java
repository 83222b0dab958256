package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
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
 * Frames without end, from a stranger and from an agent that has the key: the relay's memory stays
 * where it was, and the session of another agent goes on.
 */
@Tag("full")
@Isolated("it measures")
@Timeout(60)
class FrameFloodIT {

  private static final int MEBIBYTE = 1 << 20;
  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private RelayProcess relay;
  private AgentProcess real;
  private TcpEnd bystander;
  private RawAgent agent;
  private RawControl control;
  private Watch watch;

  @BeforeEach
  void start() {
    Footprint.assumeKnown();
    Target target = harness.keep(Target.start(Behaviour.ECHO));
    relay =
        harness.relay(
            Launch.relay("--log-level", "debug", "--pool", "1", "0")
                .unitJvm()
                .jvmArgs(Watch.TOUCHED)
                .key(key));
    real = harness.agent(key, target.port(), relay.port());
    real.awaitReady();
    bystander = TcpEnd.connect(relay.port()).echo("in session\n");
    agent = RawAgent.of(relay, key);
    control = harness.keep(agent.attach());
    watch = harness.keep(Watch.over(relay));
  }

  @AfterEach
  void othersAreNotAffected() {
    bystander.echo("still in session\n").close();
    control.close(); // and with it what it has warm
    real.close();
    // 14 and 4 MiB were seen, of up to 68 that were sent
    watch.assertFlat(
        "floods of frames",
        32,
        16,
        "handshakes=0",
        "agents=0",
        "warm=0",
        "tokens=0",
        "waiting=0",
        "sessions=0",
        "buffered=0");
  }

  @Test
  void ofStrangersEndAt16KiB() {
    byte[] flood = RawFrame.of(0x80, new byte[1000]).fill(MEBIBYTE);
    List<Async<RawConnection.End>> ends = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      ends.add(
          Async.run(
              () -> {
                RawConnection stranger = harness.keep(agent.openControl()).connection();
                return stranger.trySendBytes(flood).awaitEnd(SOON);
              }));
    }
    for (Async<RawConnection.End> end : ends) {
      assertThat(end.get(SOON.plus(SOON)).frames()).as("at most a CHALLENGE").hasSizeLessThan(2);
    }
    relay.awaitLog("handshake\\.dropped .*reason=BYTES", SOON);
  }

  @Test
  void onControlAreReadAndAnsweredOnlyAsFastAsTheyAreTaken() {
    RawConnection connection = control.connection();
    connection.sendBytes(RawFrame.of(Wire.PING, new byte[8]).fill(4 * MEBIBYTE)); // none is read
    connection.sendBytes(RawFrame.of(0x80, new byte[4096]).fill(16 * MEBIBYTE));
    connection.sendBytes(RawFrame.of(Wire.DIAL_FAILED, new byte[17]).fill(4 * MEBIBYTE));
    connection.sendBytes(RawFrame.of(Wire.GOAWAY, new byte[] {9}).fill(MEBIBYTE / 4));
    byte[] last = Wire.random(8);
    Async<Boolean> answered =
        Async.run(
            () -> {
              connection.send(Wire.PING, last);
              while (!Arrays.equals(connection.awaitPong().payload(), last)) {
                connection.send(Wire.PING, last); // those before may have gone unanswered
              }
              return true;
            });
    assertThat(answered.get(SOON.plus(SOON))).as("still attached").isTrue();
    assertThat(relay.lines("agent\\.leaving ")).as("farewells heard").hasSize(1);
  }

  @Test
  void onAWarmConnectionAreDropped() {
    RawConnection data = harness.keep(agent.warm(control));
    data.sendBytes(RawFrame.of(0xFE, new byte[16_000]).fill(32 * MEBIBYTE));
    data.send(Wire.PONG, new byte[8]); // unasked: the end of it
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
  }

  @Test
  void toAUserThatDoesNotReadWaitInTheAgent() throws Exception {
    RawConnection data = harness.keep(agent.warm(control));
    TcpEnd user = harness.keep(TcpEnd.connect(relay.port())).send("hello");
    data.expect(Wire.START);
    data.send(Wire.STARTED);
    data.sendBytes(RawFrame.of(Wire.DATA).fill(4 * MEBIBYTE)); // no bytes at all, a million times
    Async<RawConnection> sending =
        Async.run(
            () -> data.sendBytes(RawFrame.of(Wire.DATA, new byte[16_000]).fill(64 * MEBIBYTE)));
    TimeUnit.SECONDS.sleep(3);
    assertThat(sending.isDone()).as("all is taken").isFalse();
    assertThat(watch.most("buffered")).as("buffered").isLessThan(MEBIBYTE);
    user.reset();
    data.awaitEnd(SOON);
  }
}
