package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.ManInTheMiddle;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RawIdentity;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A peer without the key gains no access, even if it observes, replays or forwards handshakes. */
@Timeout(60)
class SecurityIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static final String SHARED_KEY = Harness.newKey();
  private static RelayProcess shared;

  private final String key = Harness.newKey();

  /** For tests without invalid proofs: those are counted for the address that all tests share. */
  @BeforeAll
  static void startRelay() {
    shared = SHARED.relay(SHARED_KEY, "--pool", "1", "--detect-timeout", "5s");
    shared.awaitListening();
  }

  private Target echo() {
    return harness.target(Behaviour.ECHO);
  }

  /** Asserts a close about 1 s after AUTH, without a frame. */
  private static void assertRefused(RawControl control) {
    RawConnection.End end = control.connection().awaitEnd(SOON);
    assertThat(end.frames()).as("frames before the end").isEmpty();
    assertThat(control.sinceAuth())
        .as("time to the end")
        .isBetween(Duration.ofMillis(900), Duration.ofSeconds(8));
  }

  private RawControl openControl(RawAgent agent) {
    return harness.keep(agent.openControl().readChallenge());
  }

  // ---- man in the middle

  @Test
  void manInTheMiddleIsRefused() {
    RelayProcess relay = harness.relay(key);
    ManInTheMiddle mitm = harness.keep(ManInTheMiddle.inFrontOf(relay));
    AgentProcess agent = harness.agent(key, echo().port(), mitm.port());
    relay.awaitLog("auth\\.refused ", Duration.ofSeconds(20));
    await("second attempt of the agent")
        .atMost(Duration.ofSeconds(20))
        .until(() -> mitm.intercepted() >= 2);
    assertThat(agent.wasReady()).isFalse();
    assertThat(mitm.dataConnections()).isZero();
    assertThat(relay.lines("agent\\.attached ")).isEmpty();
    assertThat(agent.isAlive()).isTrue();
  }

  @Test
  void dataConnectionRequiresControlCertificate() {
    RawRelay relay = harness.keep(RawRelay.start(key));
    AgentProcess agent = harness.agent(key, echo().port(), relay.port());
    RawConnection control = harness.keep(relay.attach());
    agent.awaitReady();
    control.send(Wire.DIAL, Wire.random(16), Wire.random(16));
    RawRelay.Incoming incoming = relay.accept();
    assertThat(incoming.kind()).isEqualTo(Wire.KIND_DATA);
    try {
      RawConnection data = harness.keep(incoming.tls(RawIdentity.create()));
      assertThat(data.awaitEnd(SOON).frames()).as("frames to an unknown certificate").isEmpty();
    } catch (AssertionError refusedInHandshake) {
      assertThat(refusedInHandshake).hasMessageContaining("TLS handshake with the agent failed");
    }
  }

  // ---- authentication

  @Test
  void wrongKeyIsRefused() {
    RelayProcess relay = harness.relay(key);
    RawAgent attacker = RawAgent.of(relay, "not the key at all, but long enough");
    RawControl control = openControl(attacker);
    control.sendAuth(attacker.claim());
    assertRefused(control);
    relay.awaitLog("auth\\.refused .*from=127\\.0\\.0\\.1", SOON);
    assertThat(relay.lines("agent\\.attached ")).isEmpty();
  }

  @Test
  void proofIsBoundToConnection() {
    RelayProcess relay = harness.relay(key);
    RawAgent agent = RawAgent.of(relay, key);
    List<RawControl> controls = new ArrayList<>();
    for (int altered = 0; altered < 4; altered++) {
      RawControl control = openControl(agent);
      byte[] claim = agent.claim();
      byte[] preamble = control.connection().preamble();
      byte[] binding = control.connection().channelBinding();
      byte[] challenge = control.challenge();
      byte[] other = claim.clone();
      switch (altered) {
        case 0 -> preamble[11] ^= 1;
        case 1 -> binding[0] ^= 1;
        case 2 -> challenge[32] ^= 1;
        default -> other[0] ^= 1;
      }
      controls.add(control.sendAuth(claim, control.proof(preamble, binding, challenge, other)));
    }
    controls.forEach(SecurityIT::assertNoFrameBeforeEnd);
    harness.keep(agent.attach());
  }

  private static void assertNoFrameBeforeEnd(RawControl control) {
    assertThat(control.connection().awaitEnd(SOON).frames()).isEmpty();
  }

  @Test
  void replayedAuthIsRefused() {
    RelayProcess relay = harness.relay(key);
    RawAgent agent = RawAgent.of(relay, key);
    RawControl first = openControl(agent);
    byte[] claim = agent.claim();
    byte[] proof = first.proof(claim);
    harness.keep(first.sendAuth(claim, proof).readWelcome());
    RawControl replay = openControl(agent);
    replay.sendAuth(claim, proof);
    assertRefused(replay);
    first.connection().send(Wire.PING, new byte[8]);
    first.connection().awaitPong();
  }

  @Test
  void reflectedRelayProofIsRefused() {
    RelayProcess relay = harness.relay(key);
    RawAgent agent = RawAgent.of(relay, key);
    RawControl first = harness.keep(agent.attach());
    RawControl reflecting = openControl(agent);
    reflecting.sendAuth(agent.claim(), first.relayProof());
    assertRefused(reflecting);
  }

  @Test
  void agentRefusesInvalidRelayProof() {
    RawRelay relay = harness.keep(RawRelay.start(key));
    Target target = echo();
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    for (int i = 0; i < 3; i++) {
      RawRelay.Handshake handshake = relay.handshake(harness.keep(relay.accept(Wire.KIND_CONTROL)));
      RawRelay.Auth auth = handshake.readAuth();
      int mark = agent.mark();
      switch (i) {
        case 0 -> handshake.sendWelcome(Wire.random(32), 0);
        case 1 -> handshake.sendWelcome(auth.proof(), 0); // reflected
        default -> handshake.sendWelcome(handshake.proof(0), 1); // valid, but for another data mode
      }
      // A real relay sends DIAL next; the agent must ignore it.
      handshake.connection().trySendBytes(RawFrame.of(Wire.DIAL, new byte[32]).bytes());
      assertThat(handshake.connection().awaitEnd(SOON).frames()).isEmpty();
      agent.awaitLog(mark, "control\\.impostor", SOON);
    }
    assertThat(agent.wasReady()).isFalse();
  }

  @Test
  void throttlingExemptsKnownInstances() {
    RelayProcess relay = harness.relay(key);
    RawAgent known = RawAgent.of(relay, key);
    harness.keep(known.attach()).connection().reset();
    List<RawControl> attempts = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      RawAgent attacker = RawAgent.of(relay, "a wrong key of some length");
      attempts.add(openControl(attacker).sendAuth(attacker.claim()));
    }
    attempts.forEach(SecurityIT::assertNoFrameBeforeEnd);
    RawAgent unknown = RawAgent.of(relay, key);
    RawControl throttled = openControl(unknown);
    throttled.sendAuth(unknown.claim());
    assertRefused(throttled);
    harness.keep(known.attach());
  }

  // ---- tokens

  @Test
  void tokenIsSingleUse() {
    RelayProcess relay = shared;
    RawAgent agent = RawAgent.of(relay, SHARED_KEY);
    RawControl control = harness.keep(agent.attach());
    RawControl.Dial dial = control.nextDial();
    RawConnection data = harness.keep(agent.warm(dial));
    RawConnection again = harness.keep(agent.sendToken(dial.token()));
    assertThat(again.awaitEnd(SOON).frames()).isEmpty();
    TcpEnd user = harness.user(relay.port()).send("hello");
    data.expect(Wire.START);
    data.send(Wire.STARTED);
    assertThat(data.expectText(5)).isEqualTo("hello");
    RawConnection late = harness.keep(agent.sendToken(dial.token()));
    assertThat(late.awaitEnd(SOON).frames()).isEmpty();
    data.send(RawFrame.data("unharmed"));
    assertThat(user.receiveText(8)).isEqualTo("unharmed");
  }

  @Test
  void concurrentTokenUseIsAcceptedOnce() {
    RelayProcess relay = shared;
    RawAgent agent = RawAgent.of(relay, SHARED_KEY);
    RawControl control = harness.keep(agent.attach());
    RawControl.Dial dial = control.nextDial();
    List<RawConnection> connections = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      connections.add(harness.keep(agent.openData()));
    }
    List<Async<Boolean>> accepted = new ArrayList<>();
    for (RawConnection connection : connections) {
      accepted.add(
          Async.run(
              () -> {
                connection.send(Wire.CLAIM, dial.token());
                try {
                  return Arrays.equals(dial.ack(), connection.expect(Wire.READY).payload());
                } catch (AssertionError refused) {
                  return false;
                }
              }));
    }
    assertThat(accepted.stream().filter(result -> result.get(SOON)).count()).isEqualTo(1);
  }

  @Test
  void tokenEndsWithControlConnection() {
    RelayProcess relay = shared;
    int mark = relay.mark();
    RawAgent agent = RawAgent.of(relay, SHARED_KEY);
    RawControl first = harness.keep(agent.attach());
    RawControl.Dial dial = first.nextDial();
    first.connection().reset();
    relay.awaitLog(mark, "agent\\.detached ", SOON);
    RawControl second = harness.keep(agent.attach());
    RawConnection data = harness.keep(agent.sendToken(dial.token()));
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
    harness.keep(agent.warm(second));
  }

  @Test
  void agentRefusesWrongAck() {
    Target target = echo();
    RawRelay relay = harness.keep(RawRelay.start(key));
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    RawConnection control = harness.keep(relay.attach());
    agent.awaitReady();
    control.send(Wire.DIAL, Wire.random(16), Wire.random(16));
    RawConnection data = harness.keep(relay.accept(Wire.KIND_DATA));
    data.expect(Wire.CLAIM);
    InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 1);
    data.trySendBytes(
        Wire.concat(
            RawFrame.of(Wire.READY, Wire.random(16)).bytes(),
            RawFrame.of(Wire.START, new RawAgent.Start(1, any, any).payload()).bytes()));
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
    assertThat(target.accepted()).isZero();
  }

  // ---- TLS and logs

  @Test
  void tls12IsRefused() throws Exception {
    RelayProcess relay = shared;
    try (Socket socket = new Socket()) {
      socket.connect(relay.address(), 5_000);
      socket.getOutputStream().write(Wire.preamble(Wire.KIND_CONTROL));
      assertThatThrownBy(
              () -> RawConnection.handshake(socket, Wire.preamble(Wire.KIND_CONTROL), "TLSv1.2"))
          .isInstanceOfAny(
              SSLException.class, java.io.EOFException.class, java.net.SocketException.class);
    }
  }

  /** At level trace. */
  @Test
  void secretsAreNotLogged() {
    RelayProcess relay = harness.relay(key, "--log-level", "trace");
    AgentProcess real = harness.agent(key, echo().port(), relay.port(), "--log-level", "trace");
    real.awaitReady();
    harness.user(relay.port()).echo("one session");
    RawAgent agent = RawAgent.of(relay, key);
    RawControl control = harness.keep(agent.attach());
    RawControl.Dial dial = control.nextDial();
    harness.keep(agent.warm(dial));
    RawAgent attacker = RawAgent.of(relay, "a wrong key of some length");
    RawControl refused = openControl(attacker);
    refused.sendAuth(attacker.claim());
    assertNoFrameBeforeEnd(refused);
    for (JarProcess process : List.of(relay, real)) {
      assertNotLogged(process, "the key", key);
    }
    for (byte[] secret :
        List.of(
            dial.token(),
            dial.ack(),
            agent.instance(),
            Arrays.copyOfRange(control.challenge(), 1, 33),
            control.relayProof())) {
      assertNotLogged(relay, "a secret in hex", HexFormat.of().formatHex(secret));
      assertNotLogged(
          relay, "a secret in base64", Base64.getEncoder().withoutPadding().encodeToString(secret));
      assertNotLogged(relay, "an array's text", Arrays.toString(secret));
    }
  }

  private static void assertNotLogged(JarProcess process, String what, String secret) {
    String text = secret.toLowerCase(Locale.ROOT);
    assertThat(process.lines())
        .as(what + " in the log of " + process.name())
        .noneMatch(line -> line.text().toLowerCase(Locale.ROOT).contains(text));
  }
}
