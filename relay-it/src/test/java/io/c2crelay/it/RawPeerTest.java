package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.Wire;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Tests {@link RawAgent} and {@link RawRelay} against each other. */
@Timeout(30)
class RawPeerTest {

  private final String key = Harness.newKey();
  private RawRelay relay;
  private RawAgent agent;

  @BeforeEach
  void start() {
    relay = RawRelay.start(key);
    agent = RawAgent.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), relay.port()), key);
  }

  @AfterEach
  void stop() throws Exception {
    relay.close();
  }

  @Test
  void attachesAndCarriesSession() throws Exception {
    CompletableFuture<RawControl> attaching = CompletableFuture.supplyAsync(agent::attach);
    RawConnection controlAtRelay = relay.attach();
    try (RawControl control = attaching.get(10, TimeUnit.SECONDS)) {
      assertThat(control.dataMode()).isZero();
      assertThat(control.connection().protocol()).isEqualTo("TLSv1.3");
      CompletableFuture<RawConnection> dialling =
          CompletableFuture.supplyAsync(() -> agent.warm(control));
      RawConnection dataAtRelay = relay.warm(controlAtRelay);
      try (RawConnection data = dialling.get(10, TimeUnit.SECONDS)) {
        RawAgent.Start start =
            new RawAgent.Start(
                7,
                new InetSocketAddress(InetAddress.getByName("192.0.2.1"), 40_000),
                new InetSocketAddress(InetAddress.getByName("2001:db8::1"), 4_000));
        dataAtRelay.send(Wire.START, start.payload()).send(RawFrame.data("hello"));
        assertThat(RawAgent.Start.parse(data.expect(Wire.START))).isEqualTo(start);
        assertThat(data.expect(Wire.DATA).text()).isEqualTo("hello");
        data.send(Wire.STARTED).send(Wire.EOF);
        dataAtRelay.expect(Wire.STARTED);
        dataAtRelay.expect(Wire.EOF);
        dataAtRelay.reset();
        assertThat(data.awaitEnd(Duration.ofSeconds(5)).ending()).isEqualTo(Ending.RESET);
      }
    }
  }

  @Test
  void wrongKeyIsDetected() throws Exception {
    RawAgent attacker =
        RawAgent.of(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), relay.port()), "another key");
    CompletableFuture<RawControl> opening =
        CompletableFuture.supplyAsync(
            () -> attacker.openControl().readChallenge().sendAuth(attacker.claim()));
    RawRelay.Handshake handshake = relay.handshake(relay.accept(Wire.KIND_CONTROL));
    assertThat(handshake.readAuth().proofValid()).isFalse();
    handshake.connection().close();
    try (RawControl control = opening.get(10, TimeUnit.SECONDS)) {
      RawConnection.End end = control.connection().awaitEnd(Duration.ofSeconds(5));
      assertThat(end.frames()).isEmpty();
      assertThat(end.ending()).isEqualTo(Ending.FIN);
    }
  }
}
