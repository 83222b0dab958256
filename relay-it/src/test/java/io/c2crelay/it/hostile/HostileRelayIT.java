package io.c2crelay.it.hostile;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.Wire;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * An agent with the JVM flags of its systemd unit connects to a hostile relay. Its memory stays
 * bounded, its target gets no connection, and it keeps working with a correct relay.
 */
@Tag("full")
@Isolated("measures memory")
@Timeout(60)
class HostileRelayIT {

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration STARTUP = Duration.ofSeconds(60);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private RawRelay relay;
  private Target target;
  private AgentProcess agent;

  @BeforeEach
  void start() {
    relay = harness.keep(RawRelay.start(key));
    target = harness.target(Behaviour.ECHO);
    agent = harness.agent(Launch.agent(target.port(), relay.port()).measured().key(key));
    agent.awaitLog("agent\\.started ", STARTUP); // after touching its heap
  }

  // ---- a relay without the key

  @Test
  void garbageInsteadOfTlsOrChallenge() throws Exception {
    try (ResourceMonitor monitor = ResourceMonitor.start(agent)) {
      relay.accept().socket().getOutputStream().write(Bulk.bytes(1, 100_000));
      write(relay.accept(), "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(UTF_8));
      write(relay.accept(), Wire.concat(Wire.magic(), new byte[] {1, 1, 0}));
      write(relay.accept(), Wire.concat(new byte[] {22, 3, 3, 0x40, 0}, Bulk.bytes(2, 16 * 1024)));
      RawConnection garbage = harness.keep(relay.accept(Wire.KIND_CONTROL));
      garbage.trySendBytes(Bulk.bytes(3, 1 << 20)).awaitEnd(SOON);
      RawConnection incomplete = harness.keep(relay.accept(Wire.KIND_CONTROL));
      incomplete.trySendBytes(RawFrame.of(0x80, new byte[4096]).fill(64 << 20));
      incomplete.sendBytes(RawFrame.header(Wire.CHALLENGE, 33)).finish(); // without the payload
      assertThat(incomplete.awaitEnd(SOON).frames()).as("an AUTH").isEmpty();
      harness.keep(relay.attach());
      agent.awaitReady();
      // 20 MiB were measured, mostly classes for the first TLS handshake; 64 MiB are sent
      monitor.assertBounded("garbage to the agent", 48, 16);
    }
    assertThat(target.accepted()).as("connections at the target").isZero();
  }

  private static void write(RawRelay.Incoming incoming, byte[] bytes) throws IOException {
    try (Socket socket = incoming.socket()) {
      socket.getOutputStream().write(bytes);
      socket.setSoTimeout((int) SOON.toMillis());
      socket.getInputStream().read(); // FIN or reset
    } catch (IOException reset) {
      // expected
    }
  }

  // ---- a relay with the key

  @Test
  void dialFloodWithUnreadAnswers() throws Exception {
    RawConnection control = harness.keep(relay.attach());
    agent.awaitReady();
    try (ResourceMonitor monitor = ResourceMonitor.start(agent)) {
      byte[] dials = RawFrame.of(Wire.DIAL, Wire.random(128 * 32)).bytes();
      for (int i = 0; i < 20_000; i++) {
        control.trySendBytes(dials);
      }
      agent.awaitLog("control\\.stalled ", SOON);
      monitor.assertBounded("dial flood", 32, 16);
    }
  }

  @Test
  void dialsBeyondQueueLimitAreRefused() {
    RawConnection control = harness.keep(relay.attach());
    agent.awaitReady();
    int allowed = 8 + 256; // in handshake, of a new agent, and queued
    for (int i = 0; i < 4; i++) {
      control.send(Wire.DIAL, Wire.random(128 * 32));
    }
    for (int refused = 4 * 128 - allowed; refused > 0; refused--) {
      byte[] answer = control.expect(Wire.DIAL_FAILED).payload();
      assertThat(answer[16]).as("reason: LIMIT").isEqualTo((byte) 4);
    }
    control.send(Wire.PING, new byte[8]);
    control.expect(Wire.PONG);
  }

  @Test
  void startWithoutReadyAndDataFloods() {
    RawConnection control = harness.keep(relay.attach());
    agent.awaitReady();
    try (ResourceMonitor monitor = ResourceMonitor.start(agent)) {
      control.send(Wire.DIAL, Wire.random(16), Wire.random(16));
      RawConnection unready = harness.keep(relay.accept(Wire.KIND_DATA));
      unready.expect(Wire.CLAIM);
      RawAgent.Start start = new RawAgent.Start(1, unready.local(), unready.local());
      unready.send(Wire.START, start.payload());
      assertThat(unready.awaitEnd(SOON).frames()).as("START without READY").isEmpty();
      byte[] failure = control.expect(Wire.DIAL_FAILED).payload();
      assertThat(failure[16]).as("reason: PROTOCOL").isEqualTo((byte) 10);

      RawConnection warm = harness.keep(relay.warm(control));
      warm.trySendBytes(RawFrame.of(0x90, new byte[16_000]).fill(64 << 20));
      warm.trySendBytes(RawFrame.of(Wire.PING, new byte[8]).fill(4 << 20));
      warm.trySendBytes(RawFrame.of(Wire.READY, new byte[16]).bytes());
      warm.awaitEnd(SOON);

      assertThat(target.accepted()).as("connections at the target").isZero();
      control.send(Wire.PING, new byte[8]);
      control.expect(Wire.PONG);
      monitor.assertBounded("floods to the agent", 32, 16);
    }
  }
}
