package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.hostile.ConnectionFlood.Close;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * More slow handshakes than the limits allow. The limits hold, each handshake ends after 10 s, and
 * an agent attaches and serves meanwhile, from one of the hostile addresses.
 */
@Tag("full")
@Isolated("measures memory")
@Timeout(60)
class SlowHandshakesIT {

  private static final int ADDRESSES = 6;
  private static final int PER_ADDRESS = 80;
  private static final int AFTER_TLS = 20;
  private static final int MAX_HANDSHAKES = 256;

  /** From the address of an attached agent. */
  private static final int FROM_AGENT_ADDRESS = 2_000;

  private static final int MAX_FROM_AGENT_ADDRESS = 512;

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration HANDSHAKE_TIMEOUT = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  @Test
  void agentAttachesDuringFlood() throws Exception {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(Launch.relay("0").measured().key(key));
    relay.awaitListening();
    byte[] hello = Wire.concat(Wire.preamble(Wire.KIND_CONTROL), Wire.clientHello());
    byte[] incompleteRecord =
        Wire.concat(
            Wire.preamble(Wire.KIND_DATA),
            new byte[] {22, 3, 1, 0x40, 0}, // the header of a 16 KiB record
            new byte[16 * 1024]);
    try (ResourceMonitor monitor = ResourceMonitor.start(relay);
        ConnectionFlood flood = ConnectionFlood.start(relay.address())) {
      for (int i = 0; i < ADDRESSES * PER_ADDRESS; i++) {
        String from = ConnectionFlood.address(i, ADDRESSES);
        switch (i % 4) {
          case 0 -> flood.addSlow(from, hello);
          case 1 -> flood.addSlow(from, incompleteRecord);
          case 2 -> flood.add(from, hello, Close.NONE); // a valid ClientHello only
          default -> flood.add(from, Wire.preamble(Wire.KIND_DATA), Close.NONE);
        }
      }
      flood.awaitConnected(SOON);
      Stopwatch watch = Stopwatch.start();
      List<Async<Duration>> afterTls = peersAfterTls(relay, key);
      RawAgent agent = RawAgent.of(relay, key);
      RawControl control = harness.keep(agent.attach());
      assertServes(relay, agent, control);
      assertThat(watch.elapsed())
          .as("served before the handshakes time out")
          .isLessThan(HANDSHAKE_TIMEOUT);
      for (int i = 0; i < FROM_AGENT_ADDRESS; i++) {
        flood.add("127.0.0.1", hello, Close.NONE);
      }
      flood.awaitConnected(SOON);
      assertServes(relay, agent, control);
      control.connection().send(Wire.PING, new byte[8]); // restarts its 25 s timeout
      await("all are closed").atMost(HANDSHAKE_TIMEOUT.plus(SOON)).until(() -> flood.open() == 0);
      for (Async<Duration> peer : afterTls) {
        assertThat(peer.get(HANDSHAKE_TIMEOUT))
            .as("from TLS to the close")
            .isLessThan(HANDSHAKE_TIMEOUT.plusSeconds(2));
      }
      assertThat(monitor.max("handshakes"))
          .as("concurrent handshakes")
          .isBetween((long) MAX_FROM_AGENT_ADDRESS, (long) MAX_HANDSHAKES + MAX_FROM_AGENT_ADDRESS);
      assertThat(relay.lines("handshake\\.dropped "))
          .as("log lines, at most 10 in 10 s")
          .hasSizeBetween(1, 35);
      relay.awaitLog("handshake\\.dropped .*reason=LIMIT", SOON);
      control.close();
      // 32 and 2 MiB were measured; with one buffer per byte they would be 66 and 52
      monitor.assertBounded("slow handshakes", 64, 16, "agents=0");
    }
  }

  private static void assertServes(RelayProcess relay, RawAgent agent, RawControl control) {
    try (RawConnection data = agent.warm(control);
        TcpEnd user = TcpEnd.connect(relay.port()).send("up")) {
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      assertThat(data.expectText(2)).isEqualTo("up");
      data.send(RawFrame.data("down"));
      assertThat(user.receiveText(4)).isEqualTo("down");
    }
  }

  /** Complete TLS, then send nothing or half of an AUTH. */
  private List<Async<Duration>> peersAfterTls(RelayProcess relay, String key) {
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
                  return connection.awaitEnd(HANDSHAKE_TIMEOUT.plus(SOON)).after();
                }
              }));
    }
    return ends;
  }
}
