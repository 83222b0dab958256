package io.c2crelay.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RawFrame;
import io.c2crelay.it.support.RawRelay;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Both jars implement docs/protocol.md: each is tested against a peer written from the document
 * alone.
 */
@Timeout(40)
class WireIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  private static byte[] done(long sessionId) {
    return RawFrame.of(Wire.DONE, ByteBuffer.allocate(8).putLong(sessionId).array()).bytes();
  }

  /** Tests the relay with {@link RawAgent}. */
  @Nested
  class Relay {

    @RegisterExtension static final Harness SHARED = Harness.perClass();
    @RegisterExtension final Harness harness = Harness.perTest();

    private static final String KEY = Harness.newKey();
    private static RelayProcess relay;

    private RawAgent agent;
    private RawControl control;

    @BeforeAll
    static void startRelay() {
      relay = SHARED.relay(KEY, "--pool", "1", "--queue-timeout", "5");
      relay.awaitListening();
    }

    @BeforeEach
    void attach() {
      agent = RawAgent.of(relay, KEY);
      int mark = relay.mark();
      control = harness.keep(agent.attach());
      relay.awaitLog(mark, "agent\\.attached .*label=raw", SOON);
    }

    @AfterEach
    void detach() {
      int mark = relay.mark();
      control.close();
      relay.awaitLog(mark, "agent\\.detached ", SOON);
      assertThat(relay.isAlive()).isTrue();
    }

    private TcpEnd user() {
      return harness.user(relay.port());
    }

    private RawConnection warm() {
      return harness.keep(agent.warm(control));
    }

    /** A user that has sent "hello", and whose session the agent has started. */
    private TcpEnd startUser(RawConnection data) {
      TcpEnd user = user().send("hello");
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      return user;
    }

    @Test
    void attachesOverTls13() {
      assertThat(control.connection().protocol()).isEqualTo("TLSv1.3");
      assertThat(control.challenge()[0]).as("version").isEqualTo((byte) 1);
      assertThat(control.dataMode()).as("data mode: TLS").isZero();
    }

    @Test
    void carriesSession() {
      RawConnection data = warm();
      assertThat(data.channelBinding()).isEqualTo(control.connection().channelBinding());
      TcpEnd user = user().send("hello");
      RawAgent.Start start = RawAgent.Start.parse(data.expect(Wire.START));
      assertThat(start.user().getPort()).isEqualTo(user.localPort());
      assertThat(start.user().getAddress().getHostAddress()).isEqualTo("127.0.0.1");
      assertThat(start.local().getPort()).isEqualTo(relay.port());
      data.send(Wire.STARTED);
      assertThat(data.expectText(5)).isEqualTo("hello");
      data.send(RawFrame.data("and hello to you"));
      assertThat(user.receiveText(16)).isEqualTo("and hello to you");
      user.finish();
      data.expect(Wire.EOF);
      data.send(RawFrame.data("bye")).send(Wire.EOF);
      assertThat(user.receiveAllText()).isEqualTo("bye");
      assertThat(data.expect(Wire.DONE).bytes()).isEqualTo(done(start.id()));
      assertThat(data.awaitEnd(SOON).frames()).as("without an answer").isEmpty();
    }

    @Test
    void acceptsLargestFrame() {
      RawConnection data = warm();
      TcpEnd user = user().send("x");
      data.expect(Wire.START);
      byte[] bytes = Bulk.bytes(3, Wire.MAX_DATA_PAYLOAD);
      data.send(Wire.STARTED).send(Wire.DATA, bytes);
      assertThat(user.receive(bytes.length)).isEqualTo(bytes);
    }

    @Test
    void sendsNoOversizedFrame() {
      RawConnection data = warm();
      byte[] bytes = Bulk.bytes(4, 1_000_000);
      TcpEnd user = user();
      Async<TcpEnd> sending = Async.run(() -> user.send(bytes).finish());
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      byte[] received = new byte[0];
      while (received.length < bytes.length) {
        RawFrame frame = data.expect(Wire.DATA);
        assertThat(frame.payload()).hasSizeBetween(1, Wire.MAX_DATA_PAYLOAD);
        received = Wire.concat(received, frame.payload());
      }
      assertThat(received).isEqualTo(bytes);
      sending.get(SOON);
      data.expect(Wire.EOF);
    }

    @Test
    void earlyBytesAreLimited() {
      RawConnection data = warm();
      byte[] bytes = Bulk.bytes(4, 1_000_000);
      TcpEnd user = user();
      Async.run(() -> user.send(bytes));
      data.expect(Wire.START);
      int early = 0;
      for (RawFrame frame : data.readFor(Duration.ofSeconds(1))) {
        assertThat(frame.type()).isEqualTo(Wire.DATA);
        early += frame.payload().length;
      }
      assertThat(early).isBetween(1, 64 * 1024);
      user.reset();
    }

    @Test
    void failedResetsUser() {
      RawConnection data = warm();
      int mark = relay.mark();
      TcpEnd user = user().send("hello");
      data.expect(Wire.START);
      data.expectData(5);
      data.send(Wire.FAILED, new byte[] {Wire.TARGET_REFUSED});
      data.close();
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog(mark, "reason=TARGET_REFUSED", SOON);
    }

    @Test
    void resetFrameResetsUser() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.send(Wire.RESET, new byte[] {0});
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      data.awaitEnd(SOON);
    }

    @Test
    void closeWithoutEofResetsUser() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.send(RawFrame.data("some of it"));
      assertThat(user.receiveText(10)).isEqualTo("some of it");
      data.close();
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }

    @Test
    void userResetSendsResetFrame() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.expectData(5);
      user.reset();
      assertThat(data.expect(Wire.RESET).code()).isEqualTo(Wire.USER_GONE);
      data.send(RawFrame.data("under way")).send(Wire.EOF); // dropped
      data.close();
      relay.awaitLog("session\\.close .*reason=USER_GONE up=5 down=0 ", SOON);
    }

    @Test
    void differentTargetsAreLoggedOnce() {
      int mark = relay.mark();
      for (int attempt = 0; attempt < 2; attempt++) {
        for (int target = 1; target <= 2; target++) {
          RawAgent other = RawAgent.of(relay, KEY);
          byte[] field = {1, 2, 7, (byte) target};
          harness
              .keep(other.openControl().readChallenge())
              .sendAuth(Wire.concat(other.claim(), field))
              .readWelcome();
        }
      }
      relay.awaitLog(mark, "agent\\.target_differs agent=a\\d+ other=a\\d+ note=", SOON);
      control.connection().send(Wire.PING, new byte[8]);
      control.connection().awaitPong();
      assertThat(relay.lines(mark, "agent\\.target_differs")).hasSizeLessThanOrEqualTo(2);
    }

    @Test
    void unknownAuthFieldsAreSkipped() {
      RawAgent other = RawAgent.of(relay, KEY);
      harness
          .keep(other.openControl().readChallenge())
          .sendAuth(Wire.concat(other.claim(), new byte[] {99, 3, 1, 2, 3}))
          .readWelcome();
    }

    @Test
    void serviceAvailabilityIsLogged() {
      int mark = relay.mark();
      control.close();
      relay.awaitLog(mark, "WARN  service\\.unavailable service=default note=", SOON);
      control = harness.keep(agent.attach());
      relay.awaitLog(mark, "INFO  service\\.available service=default unavailable_ms=\\d+$", SOON);
    }

    @Test
    void labelIsQuotedInLog() {
      int mark = relay.mark();
      RawAgent labelled = RawAgent.of(relay, KEY);
      String label = "a b=\"c\\\u202e\n";
      harness
          .keep(labelled.openControl().readChallenge())
          .sendAuth(RawControl.claim(labelled.instance(), 1, label))
          .readWelcome();
      relay.awaitLog(mark, Pattern.quote("label=\"a b=\\\"c\\\\\\u202e\\n\" key=- address="), SOON);
    }

    @Test
    void bytesBeforeUserResetReachAgent() {
      RawConnection data = warm();
      TcpEnd user = user().send("hello");
      data.expect(Wire.START);
      user.send(" and bye").reset();
      data.send(Wire.STARTED);
      assertThat(data.expectText(13)).isEqualTo("hello and bye");
      data.expect(Wire.RESET);
    }

    @Test
    void bytesBeforeResetFrameReachUser() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.send(RawFrame.data("bye")).send(Wire.RESET, new byte[] {Wire.TARGET_GONE});
      assertThat(user.receiveText(3)).isEqualTo("bye");
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      assertThat(data.awaitEnd(SOON).after()).isLessThan(SOON);
      relay.awaitLog("session\\.close .*reason=TARGET_GONE up=5 down=3 ", SOON);
    }

    @Test
    void closeNotifyWithoutEofAborts() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.send(RawFrame.data("bye"));
      data.closeNotify();
      assertThat(user.receiveText(3)).isEqualTo("bye");
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog("session\\.close .*reason=AGENT_LOST ", SOON);
    }

    @Test
    void connectionCarriesTheNextSessionAfterDoneOfBothEnds() {
      int mark = relay.mark();
      RawConnection data = warm();
      TcpEnd user = user().send("hello");
      RawAgent.Start start = RawAgent.Start.parse(data.expect(Wire.START));
      data.send(Wire.STARTED);
      data.expectData(5);
      user.finish();
      data.expect(Wire.EOF);
      data.sendBytes(Wire.concat(RawFrame.of(Wire.EOF).bytes(), done(start.id())));
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.FIN);
      assertThat(data.expect(Wire.DONE).bytes()).isEqualTo(done(start.id()));
      relay.awaitLog(mark, "session\\.close .*reason=DONE ", SOON);

      TcpEnd next = user().send("again");
      RawAgent.Start second = RawAgent.Start.parse(data.expect(Wire.START));
      assertThat(second.id()).isNotEqualTo(start.id());
      assertThat(second.user().getPort()).isEqualTo(next.localPort());
      data.send(Wire.STARTED);
      assertThat(data.expectText(5)).isEqualTo("again");
      data.send(RawFrame.data("yes"));
      assertThat(next.receiveText(3)).isEqualTo("yes");
      assertThat(relay.lines(mark, "connection\\.aborted")).isEmpty();
    }

    @Test
    void secondDoneEndsTheConnection() {
      int mark = relay.mark();
      RawConnection data = warm();
      TcpEnd user = user().send("hello");
      byte[] done = done(RawAgent.Start.parse(data.expect(Wire.START)).id());
      data.send(Wire.STARTED);
      user.finish();
      data.expectData(5);
      data.expect(Wire.EOF);
      data.sendBytes(Wire.concat(RawFrame.of(Wire.EOF).bytes(), done));
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.FIN);
      data.expect(Wire.DONE);
      data.sendBytes(done);
      assertThat(data.awaitEnd(SOON).frames()).isEmpty();
      relay.awaitLog(mark, "connection\\.aborted .*DONE", SOON);
    }

    @Test
    void doneBeforeEofAborts() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.sendBytes(done(1));
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog("session\\.close .*reason=PROTOCOL ", SOON);
    }

    @Test
    void silentUserIsStartedAfterDetectTimeout() {
      RawConnection data = warm();
      TcpEnd user = user();
      data.expect(Wire.START);
      data.send(Wire.STARTED).send(RawFrame.data("I speak first"));
      assertThat(user.receiveText(13)).isEqualTo("I speak first");
    }

    @Test
    void pongRepeatsPayload() {
      byte[] bytes = Wire.random(8);
      control.connection().send(Wire.PING, bytes);
      assertThat(control.connection().awaitPong().payload()).isEqualTo(bytes);
    }

    @Test
    void unknownTypesFrom80AreSkipped() {
      RawConnection data = warm();
      control.connection().send(0x80).send(0xFF, Wire.random(100)).send(Wire.PING, new byte[8]);
      control.connection().awaitPong();
      data.send(0x90, Wire.random(10));
      TcpEnd user = user().send("hello");
      data.expect(Wire.START);
      data.send(0x91)
          .send(Wire.STARTED)
          .send(0x92, Wire.random(5))
          .send(RawFrame.data("still fine"));
      assertThat(user.receiveText(10)).isEqualTo("still fine");
    }

    @Test
    void fragmentedFramesAreDecoded() {
      RawConnection data = warm();
      TcpEnd user = user().send("hello");
      data.expect(Wire.START);
      byte[] bytes =
          Wire.concat(
              RawFrame.of(Wire.STARTED).bytes(),
              RawFrame.data("split").bytes(),
              RawFrame.of(Wire.EOF).bytes());
      for (byte b : bytes) {
        data.sendBytes(new byte[] {b});
      }
      assertThat(user.receiveAllText()).isEqualTo("split");
    }

    @Test
    void clientHelloInSegmentOfPreamble() throws Exception {
      RawControl.Dial dial = control.nextDial();
      try (PrefixSocket socket = new PrefixSocket(relay.address(), Wire.preamble(Wire.KIND_DATA));
          RawConnection data = RawConnection.handshake(socket, Wire.preamble(Wire.KIND_DATA))) {
        data.send(Wire.CLAIM, dial.token());
        assertThat(data.expect(Wire.READY).payload()).isEqualTo(dial.ack());
      }
    }

    @Test
    void preambleInSingleBytes() throws Exception {
      RawControl.Dial dial = control.nextDial();
      byte[] preamble = Wire.preamble(Wire.KIND_DATA);
      try (Socket socket = new Socket()) {
        socket.setTcpNoDelay(true);
        socket.connect(relay.address(), 5_000);
        for (byte b : preamble) {
          socket.getOutputStream().write(b);
        }
        RawConnection data = RawConnection.handshake(socket, preamble);
        data.send(Wire.CLAIM, dial.token());
        assertThat(data.expect(Wire.READY).payload()).isEqualTo(dial.ack());
      }
    }

    /** The session of the silent user is aborted; the agent dials again. */
    @Test
    void latePreambleIsReset() {
      RawConnection data = warm();
      TcpEnd late = user();
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      late.send(Wire.preamble(Wire.KIND_CONTROL));
      assertThat(late.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      assertThat(data.awaitEnd(SOON).frames()).allMatch(frame -> frame.type() == Wire.RESET);
    }

    @Test
    void latePreambleAfterTargetBytesIsReset() {
      RawConnection data = warm();
      TcpEnd late = user();
      data.expect(Wire.START);
      data.send(Wire.STARTED).send(RawFrame.data("220 hello"));
      assertThat(late.receiveText(9)).isEqualTo("220 hello");
      late.send(Wire.preamble(Wire.KIND_CONTROL));
      assertThat(late.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      data.expect(Wire.RESET); // no DATA: the magic is not forwarded
    }

    @Test
    void higherEpochReplacesControlConnection() {
      RawConnection data = warm();
      TcpEnd user = startUser(data);
      data.expectData(5);
      RawControl old = control;
      control = harness.keep(agent.attach());
      old.connection().awaitEnd(SOON);
      data.send(RawFrame.data("still in session"));
      assertThat(user.receiveText(16)).isEqualTo("still in session");
      user.send("yes").finish();
      assertThat(data.expectText(3)).isEqualTo("yes");
      data.expect(Wire.EOF);
      data.send(Wire.EOF);
      assertThat(user.receiveAll()).isEmpty();
    }

    @Test
    void staleEpochIsRefused() {
      for (long epoch : new long[] {agent.epoch(), agent.epoch() - 1}) {
        RawControl stale =
            harness.keep(agent.openControl().readChallenge().sendAuth(agent.claim(epoch)));
        RawConnection.End end = stale.connection().awaitEnd(SOON);
        assertThat(end.frames())
            .anyMatch(frame -> frame.type() == Wire.GOAWAY && frame.code() == Wire.STALE_EPOCH);
      }
      control.connection().send(Wire.PING, new byte[8]);
      control.connection().awaitPong();
    }

    @Test
    void warmConnectionsEndWithControlConnection() {
      RawConnection data = warm();
      int mark = relay.mark();
      control.connection().reset();
      data.awaitEnd(SOON);
      relay.awaitLog(mark, "agent\\.detached ", SOON);
      control = harness.keep(agent.attach());
    }

    @Test
    void waitingUserIsServedByNextReady() {
      TcpEnd user = user().send("early");
      RawConnection data = warm();
      data.expect(Wire.START);
      data.send(Wire.STARTED);
      assertThat(data.expectText(5)).isEqualTo("early");
      user.finish();
      data.expect(Wire.EOF);
      data.send(Wire.EOF);
      assertThat(user.receiveAll()).isEmpty();
    }

    /**
     * Only older or only newer versions: the agent receives a version refusal, and the relay logs
     * it.
     */
    @ParameterizedTest
    @CsvSource({"0, 0", "2, 2", "2, 3"})
    void unsupportedVersionIsRefused(int lowest, int highest) {
      int mark = relay.mark();
      try (TcpEnd other = TcpEnd.connect(relay.port())) {
        other.send(Wire.preamble(lowest, highest, Wire.KIND_CONTROL, 0));
        assertThat(other.receive(11)).isEqualTo(Wire.refusal(1, 1));
        assertThat(other.awaitEnd(SOON)).isEqualTo(Ending.FIN);
        assertThat(relay.awaitLog(mark, "agent\\.refused ", SOON).text())
            .contains(
                " WARN ",
                "from=127.0.0.1:" + other.localPort(),
                "reason=VERSION",
                "agent_versions=" + lowest + "-" + highest,
                "relay_versions=1-1");
      }
    }

    @Test
    void commonVersionIsChosen() {
      try (RawControl newer = agent.openControl(Wire.preamble(1, 3, Wire.KIND_CONTROL, 0))) {
        assertThat(newer.readChallenge().challenge()[0]).as("version").isEqualTo((byte) 1);
      }
    }
  }

  /** Tests the agent with {@link RawRelay}. */
  @Nested
  class Agent {

    @RegisterExtension static final Harness SHARED = Harness.perClass();
    @RegisterExtension final Harness harness = Harness.perTest();

    private static final String KEY = Harness.newKey();
    private static RawRelay relay;
    private static Target target;
    private static AgentProcess agent;
    private static RawConnection control;

    private int mark;

    @BeforeAll
    static void attach() {
      relay = SHARED.keep(RawRelay.start(KEY));
      target = SHARED.target(Behaviour.ECHO);
      agent = SHARED.agent(KEY, target.port(), relay.port(), "--label", "north");
      control = attached(relay, target.port());
      agent.awaitReady();
    }

    /** Accepts the agent's control connection and checks what it says. */
    private static RawConnection attached(RawRelay relay, int targetPort) {
      RawRelay.Incoming incoming = relay.accept();
      assertThat(incoming.kind()).isEqualTo(Wire.KIND_CONTROL);
      assertThat(incoming.preamble()[8]).as("lowest version").isEqualTo((byte) 1);
      assertThat(incoming.preamble()[9]).as("highest version").isEqualTo((byte) 1);
      assertThat(incoming.preamble()[11]).as("flags").isZero();
      RawConnection connection = SHARED.keep(incoming.tls(relay.identity()));
      assertThat(connection.protocol()).isEqualTo("TLSv1.3");
      RawRelay.Handshake handshake = relay.handshake(connection);
      RawRelay.Auth auth = handshake.readAuth();
      assertThat(auth.proofValid()).as("the agent's proof").isTrue();
      assertThat(auth.label()).isEqualTo("north");
      assertThat(auth.service()).as("the default service").isEmpty();
      assertThat(auth.fields()).containsOnlyKeys(1, 2);
      assertThat(new String(auth.fields().get(2), UTF_8)).startsWith("1.");
      assertThat(auth.fields().get(1))
          .isEqualTo(handshake.digestOfTarget(Integer.toString(targetPort)));
      assertThat(auth.epoch()).isEqualTo(1);
      handshake.sendWelcome(handshake.proof(0), 0);
      return connection;
    }

    @BeforeEach
    void reset() {
      target.setBehaviour(Behaviour.ECHO);
      mark = agent.mark();
      control.send(Wire.PING, new byte[8]); // the agent takes a silent relay for dead
      control.expect(Wire.PONG);
    }

    private RawConnection warm() {
      return harness.keep(relay.warm(control));
    }

    private byte[] start(long id) {
      InetAddress loopback = InetAddress.getLoopbackAddress();
      return new RawAgent.Start(
              id, new InetSocketAddress(loopback, 40_000), new InetSocketAddress(loopback, 4_000))
          .payload();
    }

    @Test
    void carriesSuccessiveSessions() {
      for (int id = 1; id <= 3; id++) {
        RawConnection data = warm();
        data.send(Wire.PING, new byte[8]);
        assertThat(data.expect(Wire.PONG).payload()).isEqualTo(new byte[8]);
        data.send(Wire.START, start(id)).send(RawFrame.data("early bytes "));
        data.expect(Wire.STARTED);
        data.send(RawFrame.data("and late ones"));
        assertThat(data.expectText(25)).isEqualTo("early bytes and late ones");
        data.send(Wire.EOF);
        data.expect(Wire.EOF);
        data.close();
        agent.awaitLog(mark, "session\\.open .*id=", SOON);
      }
    }

    @Test
    void dialOpensConnectionPerToken() {
      int count = 8;
      byte[] entries = new byte[0];
      for (int i = 0; i < count; i++) {
        entries = Wire.concat(entries, new byte[16], new byte[16]);
        entries[i * 32] = (byte) (i + 1);
        entries[i * 32 + 16] = (byte) (i + 101);
      }
      control.send(Wire.DIAL, entries);
      boolean[] seen = new boolean[count];
      for (int i = 0; i < count; i++) {
        RawConnection data = harness.keep(relay.accept(Wire.KIND_DATA));
        byte[] token = data.expect(Wire.CLAIM).payload();
        seen[token[0] - 1] = true;
        byte[] ack = new byte[16];
        ack[0] = (byte) (token[0] + 100);
        data.send(Wire.READY, ack);
      }
      assertThat(seen).doesNotContain(false);
    }

    @Test
    void pongRepeatsPayload() {
      byte[] bytes = Wire.random(8);
      control.send(0x80, new byte[3]).send(Wire.PING, bytes);
      assertThat(control.expect(Wire.PONG).payload()).isEqualTo(bytes);
    }

    @Test
    void refusedTargetSendsFailed() {
      RawRelay other = harness.keep(RawRelay.start(KEY));
      int targetPort = Ports.free();
      AgentProcess toNothing = harness.agent(KEY, targetPort, other.port(), "--label", "north");
      RawConnection data = harness.keep(other.warm(attached(other, targetPort)));
      data.send(Wire.START, start(1));
      assertThat(data.expect(Wire.FAILED).code()).isEqualTo(Wire.TARGET_REFUSED);
      assertThat(data.awaitEnd(SOON).frames()).isEmpty();
      toNothing.awaitLog("session\\.failed .*reason=TARGET_REFUSED", SOON);
    }

    @Test
    void unsupportedDataModeIsNotRefusedKey() {
      RawRelay other = harness.keep(RawRelay.start(KEY));
      AgentProcess ofOther = harness.agent(KEY, target.port(), other.port());
      for (int attempt = 0; attempt < 3; attempt++) {
        RawConnection connection = harness.keep(other.accept(Wire.KIND_CONTROL));
        RawRelay.Handshake handshake = other.handshake(connection);
        handshake.readAuth();
        handshake.sendWelcome(handshake.proof(1), 1);
        connection.awaitEnd(SOON);
      }
      ofOther.awaitLog(
          "control\\.failed .*cause=\"unexpected or unsupported frame: WELCOME data mode", SOON);
      assertThat(ofOther.lines("control\\.refused")).isEmpty();
    }

    @Test
    void targetResetSendsResetFrame() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1));
      data.expect(Wire.STARTED);
      target.next().send("bye").reset();
      assertThat(data.expectText(3)).isEqualTo("bye");
      assertThat(data.expect(Wire.RESET).code()).isEqualTo(Wire.TARGET_GONE);
    }

    @Test
    void bytesBeforeResetFrameReachTarget() {
      target.setManual();
      RawConnection data = warm();
      // all before the target is dialled
      data.sendBytes(
          Wire.concat(
              RawFrame.of(Wire.START, start(1)).bytes(),
              RawFrame.data("last words").bytes(),
              RawFrame.of(Wire.RESET, new byte[] {Wire.USER_GONE}).bytes()));
      TcpEnd atTarget = target.next();
      assertThat(atTarget.receiveText(10)).isEqualTo("last words");
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }

    @Test
    void closeNotifyWithoutEofAborts() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("hello"));
      data.expect(Wire.STARTED);
      TcpEnd atTarget = target.next();
      data.closeNotify();
      assertThat(atTarget.receiveText(5)).isEqualTo("hello");
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }

    @Test
    void resetFrameResetsTarget() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("hello"));
      data.expect(Wire.STARTED);
      TcpEnd atTarget = target.next();
      atTarget.receive(5);
      data.send(Wire.RESET, new byte[] {0});
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }

    @Test
    void closeWithoutEofResetsTarget() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("hello"));
      data.expect(Wire.STARTED);
      TcpEnd atTarget = target.next();
      atTarget.receive(5);
      data.close();
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }

    @Test
    void halfClosesAreEofFrames() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("request")).send(Wire.EOF);
      data.expect(Wire.STARTED);
      TcpEnd atTarget = target.next();
      assertThat(atTarget.receiveAllText()).isEqualTo("request");
      atTarget.send("reply").finish();
      assertThat(data.expectText(5)).isEqualTo("reply");
      data.expect(Wire.EOF);
    }

    @Test
    void connectionCarriesTheNextSessionAfterDoneOfBothEnds() {
      target.setManual();
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("request")).send(Wire.EOF);
      data.expect(Wire.STARTED);
      TcpEnd atTarget = target.next();
      atTarget.finish();
      data.expect(Wire.EOF);
      assertThat(data.expect(Wire.DONE).bytes()).isEqualTo(done(1));
      assertThat(atTarget.receiveAllText()).isEqualTo("request");
      data.sendBytes(done(1));
      byte[] ping = Wire.random(8);
      data.send(Wire.PING, ping);
      assertThat(data.expect(Wire.PONG).payload()).isEqualTo(ping);
      data.send(Wire.START, start(2)).send(RawFrame.data("next"));
      data.expect(Wire.STARTED);
      TcpEnd next = target.next();
      assertThat(next.receiveText(4)).isEqualTo("next");
      next.send("yes");
      assertThat(data.expectText(3)).isEqualTo("yes");
    }

    @Test
    void sessionSurvivesControlConnectionLoss() {
      RawConnection data = warm();
      data.send(Wire.START, start(1)).send(RawFrame.data("before"));
      data.expect(Wire.STARTED);
      assertThat(data.expectText(6)).isEqualTo("before");
      control.reset();
      agent.awaitLog(mark, "control\\.lost ", SOON);
      control = SHARED.keep(relay.accept(Wire.KIND_CONTROL));
      RawRelay.Handshake again = relay.handshake(control);
      RawRelay.Auth auth = again.readAuth();
      assertThat(auth.proofValid()).isTrue();
      assertThat(auth.epoch()).isGreaterThan(1);
      again.sendWelcome(again.proof(0), 0);
      data.send(RawFrame.data("after"));
      assertThat(data.expectText(5)).isEqualTo("after");
    }

    /** Only older or only newer versions: logged, and retried after 5 min. */
    @ParameterizedTest
    @CsvSource({"0, 0", "2, 9"})
    void versionRefusalIsLogged(int lowest, int highest) throws Exception {
      RawRelay other = harness.keep(RawRelay.start(KEY));
      AgentProcess ofOther = harness.agent(KEY, target.port(), other.port());
      Socket connection = other.accept().socket();
      connection.getOutputStream().write(Wire.refusal(lowest, highest));
      connection.shutdownOutput();
      assertThat(ofOther.awaitLog("control\\.version ", SOON).text())
          .contains(
              " ERROR ",
              "relay=127.0.0.1:" + other.port(),
              "relay_versions=" + lowest + "-" + highest,
              "agent_versions=1-1",
              "update the older side");
      assertThat(ofOther.awaitLog("control\\.retry ", SOON).value("in")).isEqualTo("300000ms");
      assertThat(ofOther.isAlive()).isTrue();
      assertThat(ofOther.wasReady()).isFalse();
    }
  }

  /** Sends a prefix in the same segment as the first write. */
  private static final class PrefixSocket extends Socket {
    private byte[] prefix;

    PrefixSocket(InetSocketAddress address, byte[] prefix) throws IOException {
      this.prefix = prefix;
      setTcpNoDelay(true);
      connect(address, 5_000);
    }

    @Override
    public java.io.OutputStream getOutputStream() throws IOException {
      java.io.OutputStream out = super.getOutputStream();
      return new java.io.OutputStream() {
        @Override
        public void write(int b) throws IOException {
          write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
          byte[] all = Wire.concat(prefix, Arrays.copyOfRange(bytes, offset, offset + length));
          prefix = new byte[0];
          out.write(all);
        }

        @Override
        public void flush() throws IOException {
          out.flush();
        }
      };
    }
  }
}
