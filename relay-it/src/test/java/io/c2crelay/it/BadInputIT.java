package io.c2crelay.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Malformed and unexpected input ends the connection that sent it. A session of a real agent is not
 * affected, and the target receives nothing.
 */
@Timeout(40)
class BadInputIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** The one log line of an abort: of the session, or of a connection without one. */
  private static final String ABORTED = "(connection\\.aborted|session\\.close) .*reason=PROTOCOL";

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static Target target;
  private static Pair pair;
  private static TcpEnd unaffected;

  private int relayMark;
  private int acceptedBefore;

  @BeforeAll
  static void startPair() {
    target = SHARED.target(Behaviour.ECHO);
    // a long timeout, so that a delayed preamble is not classified as a user
    pair = Pair.of(SHARED, target).relayOptions("--detect-timeout", "5s").start();
    unaffected = SHARED.keep(pair.user()).echo("in session\n");
  }

  @BeforeEach
  void mark() {
    relayMark = pair.relay().mark();
    acceptedBefore = target.accepted();
  }

  @AfterEach
  void checkUnaffected() {
    unaffected.echo("still in session\n");
    assertThat(target.accepted()).as("connections at the target").isEqualTo(acceptedBefore);
  }

  /**
   * The bytes of an invalid input.
   *
   * @param fin whether FIN follows
   */
  record Bad(String name, boolean fin, byte[]... parts) {
    byte[] bytes() {
      return Wire.concat(parts);
    }

    boolean isAfterEof() {
      return name.equals("DATA after EOF") || name.equals("a second EOF");
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static Bad bad(String name, byte[]... parts) {
    return new Bad(name, false, parts);
  }

  private static Bad truncated(String name, byte[]... parts) {
    return new Bad(name, true, parts);
  }

  private static byte[] frame(int type, int length) {
    return RawFrame.of(type, new byte[length]).bytes();
  }

  // ---- before TLS

  static Stream<Bad> invalidPreambles() {
    byte[] magic = Wire.magic();
    return Stream.of(
        bad("the magic, random bytes", magic, Bulk.bytes(1, 200)),
        bad("unknown kind", Wire.preamble(1, 1, 3, 0)),
        bad("lowest version above the highest", Wire.preamble(2, 1, 0, 0)),
        bad("plain data, not implemented", Wire.preamble(1, 1, Wire.KIND_PLAIN, 0)),
        bad("control preamble, random bytes", Wire.preamble(Wire.KIND_CONTROL), Bulk.bytes(2, 500)),
        bad(
            "a data preamble, then HTTP",
            Wire.preamble(Wire.KIND_DATA),
            "GET / HTTP/1.1\r\n\r\n".getBytes(UTF_8)),
        bad("the magic, then silence", magic),
        bad("half a preamble, then silence", Arrays.copyOf(Wire.preamble(0), 12)),
        truncated("the magic, then FIN", magic),
        truncated("a preamble, then FIN", Wire.preamble(Wire.KIND_CONTROL)));
  }

  @ParameterizedTest
  @MethodSource("invalidPreambles")
  void invalidPreambleIsClosed(Bad bad) {
    TcpEnd peer = harness.keep(pair.user()).send(bad.bytes());
    if (bad.fin()) {
      peer.finish();
    }
    // TLS may answer with an alert, which is discarded.
    peer.awaitEnd(SOON);
  }

  // ---- control, before the proof

  static Stream<Bad> invalidAuths() {
    return Stream.of(
        bad("PING", frame(Wire.PING, 8)),
        bad("AUTH without a proof", frame(Wire.AUTH, 57)),
        bad("empty AUTH", frame(Wire.AUTH, 0)),
        bad("AUTH with a label beyond its end", longLabel()),
        bad("oversized AUTH", RawFrame.header(Wire.AUTH, 0xFFFFFF)),
        bad("CLAIM", frame(Wire.CLAIM, 16)),
        bad("unknown type", frame(0x7F, 0)));
  }

  private static byte[] longLabel() {
    byte[] auth = new byte[32 + 16 + 8 + 1 + 32];
    auth[56] = (byte) 200;
    return RawFrame.of(Wire.AUTH, auth).bytes();
  }

  @ParameterizedTest
  @MethodSource("invalidAuths")
  void invalidAuthIsClosedWithoutFrame(Bad bad) {
    RawControl control = harness.keep(rawAgent().openControl().readChallenge());
    control.connection().sendBytes(bad.bytes());
    assertThat(control.connection().awaitEnd(SOON).frames()).isEmpty();
  }

  // ---- control, attached

  static Stream<Bad> onControl() {
    return Stream.of(
        bad("oversized", frame(Wire.PING, Wire.MAX_CONTROL_PAYLOAD + 1)),
        bad("largest length, header only", RawFrame.header(Wire.PING, 0xFFFFFF)),
        bad("oversized, of a skipped type", RawFrame.header(0x80, Wire.MAX_CONTROL_PAYLOAD + 1)),
        bad("PING of 7 bytes", frame(Wire.PING, 7)),
        bad("GOAWAY without a code", frame(Wire.GOAWAY, 0)),
        bad("DIAL_FAILED of 3 bytes", frame(Wire.DIAL_FAILED, 3)),
        truncated("PING cut by FIN", RawFrame.header(Wire.PING, 8), new byte[3]),
        truncated("a header cut by FIN", new byte[] {Wire.PING, 0}),
        bad("unknown type 0f", frame(0x0F, 4)),
        bad("unknown type 7f", frame(0x7F, 0)),
        bad("type 0", frame(0, 0)),
        bad("a second AUTH", frame(Wire.AUTH, 89)),
        bad("CHALLENGE", frame(Wire.CHALLENGE, 33)),
        bad("WELCOME", frame(Wire.WELCOME, 33)),
        bad("DIAL", frame(Wire.DIAL, 32)),
        bad("CLAIM", frame(Wire.CLAIM, 16)),
        bad("DATA", frame(Wire.DATA, 10)));
  }

  @ParameterizedTest
  @MethodSource("onControl")
  void abortsControlConnection(Bad bad) {
    RawControl control = harness.keep(rawAgent().attach());
    send(control.connection(), bad);
    control.connection().awaitEnd(SOON);
    assertAbortedOnce();
  }

  // ---- data, warm

  static Stream<Bad> onWarmData() {
    return Stream.of(
        bad("DATA", frame(Wire.DATA, 1)),
        bad("STARTED", frame(Wire.STARTED, 0)),
        bad("FAILED", frame(Wire.FAILED, 1)),
        bad("EOF", frame(Wire.EOF, 0)),
        bad("a second CLAIM", frame(Wire.CLAIM, 16)),
        bad("READY", frame(Wire.READY, 16)),
        bad("AUTH", frame(Wire.AUTH, 89)),
        bad("unknown type 18", frame(0x18, 0)),
        bad("oversized", RawFrame.header(Wire.DATA, Wire.MAX_DATA_PAYLOAD + 1)),
        bad("oversized, of a skipped type", RawFrame.header(0xFE, 0xFFFFFF)));
  }

  @ParameterizedTest
  @MethodSource("onWarmData")
  void abortsWarmConnection(Bad bad) {
    RawAgent agent = rawAgent();
    RawControl control = harness.keep(agent.attach());
    RawConnection data = harness.keep(agent.warm(control));
    send(data, bad);
    data.awaitEnd(SOON);
    assertAbortedOnce();
    detach(control);
  }

  // ---- data, in session

  static Stream<Bad> afterStart() {
    byte[] started = frame(Wire.STARTED, 0);
    return Stream.of(
        bad("DATA before STARTED", frame(Wire.DATA, 1)),
        bad("EOF before STARTED", frame(Wire.EOF, 0)),
        bad("STARTED with a payload", frame(Wire.STARTED, 1)),
        bad("FAILED without a code", frame(Wire.FAILED, 0)),
        bad("a second STARTED", started, started),
        bad("FAILED after STARTED", started, frame(Wire.FAILED, 1)),
        bad("CLAIM after STARTED", started, frame(Wire.CLAIM, 16)),
        bad("START from an agent", started, frame(Wire.START, 46)),
        bad("unknown type", started, frame(0x7F, 3)),
        bad("oversized", started, frame(Wire.DATA, Wire.MAX_DATA_PAYLOAD + 1)),
        bad("oversized, header only", started, RawFrame.header(Wire.DATA, 0xFFFFFF)),
        bad("DATA after EOF", started, frame(Wire.EOF, 0), frame(Wire.DATA, 1)),
        bad("a second EOF", started, frame(Wire.EOF, 0), frame(Wire.EOF, 0)));
  }

  @ParameterizedTest
  @MethodSource("afterStart")
  void abortsSession(Bad bad) {
    RawAgent agent = rawAgent();
    RawControl control = harness.keep(agent.attach());
    RawConnection data = harness.keep(agent.warm(control));
    TcpEnd user = harness.keep(pair.user()).send("hello");
    // The raw agent has fewer sessions than the real one, so it gets the user.
    data.expect(Wire.START);
    send(data, bad);
    // A user that received FIN reads it before the reset.
    assertThat(user.awaitEnd(SOON)).isEqualTo(bad.isAfterEof() ? Ending.FIN : Ending.RESET);
    data.awaitEnd(SOON);
    assertAbortedOnce();
    detach(control);
  }

  @Test
  void truncatedFrameResetsUser() {
    RawAgent agent = rawAgent();
    RawControl control = harness.keep(agent.attach());
    RawConnection data = harness.keep(agent.warm(control));
    TcpEnd user = harness.keep(pair.user()).send("hello");
    data.expect(Wire.START);
    data.send(Wire.STARTED).sendBytes(Wire.concat(RawFrame.header(Wire.DATA, 100), new byte[10]));
    data.finish();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    detach(control);
  }

  @Test
  void unknownTokenIsRefused() {
    RawConnection data = harness.keep(rawAgent().sendToken(Wire.random(16)));
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
  }

  @Test
  void dataConnectionWithoutTokenIsRefused() {
    RawConnection data = harness.keep(rawAgent().openData());
    data.send(Wire.DATA, new byte[10]);
    assertThat(data.awaitEnd(SOON).frames()).isEmpty();
    assertAbortedOnce();
  }

  // ---- limits before authentication, on a separate relay

  @Test
  void handshakesPerNetworkAreLimited() {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key);
    List<TcpEnd> peers = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      peers.add(harness.user(relay.port()).send(Wire.preamble(Wire.KIND_CONTROL)));
    }
    List<Async<Ending>> ends = new ArrayList<>();
    for (TcpEnd peer : peers) {
      ends.add(Async.run(() -> peer.awaitEnd(Duration.ofSeconds(30))));
    }
    // Before the 10 s handshake timeout closes all of them.
    await("all but 64 are closed")
        .atMost(Duration.ofSeconds(7))
        .until(() -> ends.stream().filter(Async::isDone).count() >= 36);
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    agent.awaitReady();
    harness.user(relay.port()).echo("served\n");
    acceptedBefore++;
  }

  // ---- the agent's side

  static Stream<Bad> fromARelayOnControl() {
    return Stream.of(
        bad("oversized", RawFrame.header(Wire.PING, Wire.MAX_CONTROL_PAYLOAD + 1)),
        bad("unknown type", frame(0x7F, 0)),
        bad("DIAL of 20 bytes", frame(Wire.DIAL, 20)),
        bad("AUTH", frame(Wire.AUTH, 89)),
        bad("a second WELCOME", frame(Wire.WELCOME, 33)),
        bad("START", frame(Wire.START, 46)));
  }

  /** The agent closes the connection, logs the reason and reconnects each time. */
  @Test
  void agentAbortsControlConnectionAndReconnects() {
    String key = Harness.newKey();
    RawRelay relay = harness.keep(RawRelay.start(key));
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    fromARelayOnControl()
        .forEach(
            bad -> {
              RawConnection control = harness.keep(relay.attach());
              int mark = agent.mark();
              send(control, bad);
              control.awaitEnd(SOON);
              agent.awaitLog(mark, "reason=PROTOCOL", SOON);
            });
    relay.attach();
  }

  static Stream<Bad> fromARelayOnData() {
    return Stream.of(
        bad("DATA before START", frame(Wire.DATA, 1)),
        bad("EOF before START", frame(Wire.EOF, 0)),
        bad("a second READY", frame(Wire.READY, 16)),
        bad("START of 45 bytes", frame(Wire.START, 45)),
        bad("START with an unknown address family", frame(Wire.START, 46)),
        bad("oversized", RawFrame.header(Wire.DATA, Wire.MAX_DATA_PAYLOAD + 1)),
        bad("unknown type", frame(0x7F, 0)));
  }

  @Test
  void agentAbortsDataConnectionOnly() {
    String key = Harness.newKey();
    RawRelay relay = harness.keep(RawRelay.start(key));
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    RawConnection control = harness.keep(relay.attach());
    fromARelayOnData()
        .forEach(
            bad -> {
              RawConnection data = harness.keep(relay.warm(control));
              int mark = agent.mark();
              send(data, bad);
              data.awaitEnd(SOON);
              agent.awaitLog(mark, "reason=PROTOCOL", SOON);
            });
    control.send(Wire.PING, new byte[8]);
    control.awaitPong();
  }

  // ---- helpers

  private static RawAgent rawAgent() {
    return RawAgent.of(pair.relay(), pair.key());
  }

  private static void send(RawConnection connection, Bad bad) {
    connection.trySendBytes(bad.bytes());
    if (bad.fin()) {
      connection.finish();
    }
  }

  private void assertAbortedOnce() {
    pair.relay().awaitLog(relayMark, ABORTED, SOON);
    List<LogLine> lines = pair.relay().lines(relayMark, ABORTED);
    assertThat(lines).as("log lines about the abort").hasSize(1);
  }

  /** Detaches the raw agent, so that the real one gets the next user. */
  private void detach(RawControl control) {
    Async<RawConnection.End> end = Async.run(() -> control.connection().awaitEnd(SOON));
    control.connection().finish();
    end.get(SOON);
    pair.relay().awaitLog(relayMark, "agent\\.detached ", SOON);
  }
}
