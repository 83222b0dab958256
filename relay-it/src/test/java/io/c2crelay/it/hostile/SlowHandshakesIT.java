package io.c2crelay.it.hostile;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Strangers who take their time after the magic, more of them than there is room for: the limits
 * hold, they are gone after 10 s, and an agent attaches meanwhile, from an address of its own or
 * from theirs.
 */
@Tag("full")
@Isolated("it measures")
@Timeout(60)
class SlowHandshakesIT {

  private static final int ADDRESSES = 6;
  private static final int PER_ADDRESS = 80;
  private static final int AFTER_TLS = 20;
  private static final int MOST = 256;

  /** Behind the address of an agent that is attached. */
  private static final int BEHIND_THE_SAME = 2_000;

  private static final int MOST_BEHIND_THE_SAME = 512;

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration LIMIT = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  @Test
  void leaveRoomForAnAgent() throws Exception {
    Footprint.assumeKnown();
    String key = Harness.newKey();
    RelayProcess relay =
        harness.relay(
            Launch.relay("--log-level", "debug", "0").unitJvm().jvmArgs(Watch.TOUCHED).key(key));
    relay.awaitListening();
    byte[] hello = Wire.concat(Wire.preamble(Wire.KIND_CONTROL), clientHello());
    byte[] neverEnding =
        Wire.concat(
            Wire.preamble(Wire.KIND_DATA),
            new byte[] {22, 3, 1, 0x40, 0}, // a record of 16 KiB
            new byte[16 * 1024]);
    try (Watch watch = Watch.over(relay);
        Swarm swarm = Swarm.around(relay.address())) {
      for (int i = 0; i < ADDRESSES * PER_ADDRESS; i++) {
        String from = i % ADDRESSES == 0 ? "127.0.0.1" : "127.0.1." + i % ADDRESSES;
        switch (i % 4) {
          case 0 -> swarm.addSlow(from, hello);
          case 1 -> swarm.addSlow(from, neverEnding);
          case 2 -> swarm.add(from, hello, Swarm.Then.STAYS); // valid, and no more of it
          default -> swarm.add(from, Wire.preamble(Wire.KIND_DATA), Swarm.Then.STAYS);
        }
      }
      swarm.awaitConnected(SOON);
      long full = System.nanoTime();
      List<Async<Duration>> afterTls = strangersAfterTls(relay, key);
      RawAgent agent = RawAgent.of(relay, key);
      RawControl control = harness.keep(agent.attach());
      assertServes(relay, agent, control);
      Duration served = Duration.ofNanos(System.nanoTime() - full);
      assertThat(served).as("while they were there").isLessThan(LIMIT);
      for (int i = 0; i < BEHIND_THE_SAME; i++) {
        swarm.add("127.0.0.1", hello, Swarm.Then.STAYS);
      }
      swarm.awaitConnected(SOON);
      assertServes(relay, agent, control);
      control.connection().send(Wire.PING, new byte[8]); // it lives for another 25 s
      await("all are dropped").atMost(LIMIT.plus(SOON)).until(() -> swarm.staying() == 0);
      for (Async<Duration> stranger : afterTls) {
        assertThat(stranger.get(LIMIT)).as("from TLS to the end").isLessThan(LIMIT.plusSeconds(2));
      }
      assertThat(watch.most("handshakes"))
          .as("at once")
          .isBetween((long) MOST_BEHIND_THE_SAME, (long) MOST + MOST_BEHIND_THE_SAME);
      assertThat(relay.lines("handshake\\.dropped "))
          .as("lines, of which 10 in 10 s")
          .hasSizeBetween(1, 35);
      relay.awaitLog("handshake\\.dropped .*reason=LIMIT", SOON);
      control.close();
      // 32 and 2 MiB were seen; with every byte in a buffer of its own it would be 66 and 52
      watch.assertFlat(
          "slow handshakes",
          64,
          16,
          "unidentified=0",
          "handshakes=0",
          "agents=0",
          "waiting=0",
          "sessions=0");
    }
  }

  /** A user and the agent hear each other. */
  private static void assertServes(RelayProcess relay, RawAgent agent, RawControl control) {
    try (RawConnection data = agent.warm(control);
        TcpEnd user = TcpEnd.connect(relay.port()).send("up")) {
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      assertThat(data.expectData(2)).isEqualTo("up".getBytes(UTF_8));
      data.send(Wire.DATA, "down".getBytes(UTF_8));
      assertThat(user.receiveText(4)).isEqualTo("down");
    }
  }

  /** TLS is done; then nothing, or half of an AUTH. */
  private List<Async<Duration>> strangersAfterTls(RelayProcess relay, String key) {
    byte[] auth = RawFrame.of(Wire.AUTH, new byte[89]).bytes();
    List<Async<Duration>> ends = new ArrayList<>();
    for (int i = 0; i < AFTER_TLS; i++) {
      int length = i % 2 * auth.length / 2;
      ends.add(
          Async.run(
              () -> {
                try (RawConnection connection =
                    RawAgent.of(relay, key).openControl().readChallenge().connection()) {
                  connection.trySendBytes(Arrays.copyOf(auth, length));
                  return connection.awaitEnd(LIMIT.plus(SOON)).after();
                }
              }));
    }
    return ends;
  }

  private static byte[] clientHello() throws Exception {
    SSLEngine engine = SSLContext.getDefault().createSSLEngine();
    engine.setUseClientMode(true);
    engine.setEnabledProtocols(new String[] {"TLSv1.3"});
    ByteBuffer hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
    engine.wrap(ByteBuffer.allocate(0), hello);
    byte[] bytes = new byte[hello.flip().remaining()];
    hello.get(bytes);
    return bytes;
  }
}
