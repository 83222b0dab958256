package io.c2crelay.agent.data;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.RelayEnd;
import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.Transport;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** An agent's data connection up to START. */
class DataHandshakeTest {
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Frame.Dial.DialRequest dialRequest =
      Frame.Dial.DialRequest.of(Token.random(RANDOM), Token.random(RANDOM));

  /** The control connection's loop. */
  private final EmbeddedChannel control = new EmbeddedChannel();

  private final SessionTracker tracker = new SessionTracker();
  private final List<ReasonCode> failures = new ArrayList<>();
  private Identity identity;
  private DataDialer dialer;
  private RelayEnd relay;

  @BeforeEach
  void connect() throws Exception {
    control.freezeTime();
    identity = Identity.create(RANDOM);
    RelayTls tls = RelayEnd.agentTls();
    ServiceEvents events = new ServiceEvents(ServiceName.DEFAULT, "relay", 4000);
    // connecting always fails: an embedded event loop takes no NIO channel
    Dialer tcp = Dialer.direct(Transport.NIO, NameResolver.create());
    TargetConnector target =
        new TargetConnector(
            Forward.of(ServiceName.DEFAULT, Route.parse("1"), SharedKey.of("any")),
            Duration.ofSeconds(3),
            false,
            tcp);
    BridgeSettings settings =
        BridgeSettings.of(
            BridgeSettings.Side.AGENT, BufferBudget.ofBytes(1 << 20), Duration.ZERO, Duration.ZERO);
    dialer =
        new DataDialer(
            control.eventLoop(),
            control.eventLoop(),
            new RelayConnector(tcp, Duration.ofSeconds(3), tls, null),
            new SessionStarter(target, settings, tracker, events),
            new InetSocketAddress("127.0.0.1", 1),
            identity.binding(),
            1,
            events,
            (token, reason) -> {
              assertThat(token).isEqualTo(dialRequest.token());
              failures.add(reason);
            });
    open(identity);
  }

  private void open(Identity presented) throws Exception {
    DataDial dial = new DataDial(dialer, dialRequest, control.eventLoop());
    relay = RelayEnd.ofData(presented, new DataHandshake(dial, dialer));
  }

  @AfterEach
  void close() {
    relay.close();
    control.finishAndReleaseAll();
  }

  @Test
  void readyMakesConnectionWarm() {
    becomeWarm();
    relay.send(Frame.Ping.of(42));
    assertThat(((Frame.Pong) relay.received()).value()).isEqualTo(42);
    relay.advanceTime(1, TimeUnit.HOURS);
    control.runPendingTasks();
    assertThat(relay.agent().isOpen()).isTrue();
    assertThat(failures).isEmpty();
  }

  @Test
  void otherCertificateReceivesNoToken() throws Exception {
    relay.close();
    control.runPendingTasks();
    failures.clear();
    open(Identity.create(RANDOM));
    assertThat(relay.received()).isNull();
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void wrongAckFails() {
    relay.send(Frame.Ready.of(Token.random(RANDOM)));
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void tokenAsAckFails() {
    relay.send(Frame.Ready.of(dialRequest.token()));
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void startBeforeReadyFails() {
    relay.send(start());
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void unknownFrameTypeBeforeReadyFails() {
    relay.send(Unpooled.copyInt(0x42000000)); // unknown type
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void dataBeforeReadyIsReleased() {
    relay.send(Frame.Data.of(Unpooled.copyLong(1)), Frame.Data.of(Unpooled.copyLong(1)));
    assertFailed(ReasonCode.PROTOCOL);
  }

  @Test
  void closeBeforeReadyIsReported() {
    relay.disconnect();
    assertFailed(ReasonCode.AGENT_LOST);
  }

  @Test
  void resetBeforeReadyIsRetried() {
    relay.agent().pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
    assertThat(control.runScheduledPendingTasks())
        .as("delay before the next attempt")
        .isEqualTo(TimeUnit.MILLISECONDS.toNanos(200));
    assertThat(failures).isEmpty();
  }

  @Test
  void lossOfWarmConnectionIsNotReported() {
    becomeWarm();
    relay.disconnect();
    control.runPendingTasks();
    assertThat(failures).isEmpty();
  }

  @Test
  void dataBeforeStartCloses() {
    becomeWarm();
    relay.send(Frame.Data.of(Unpooled.copyLong(1)));
    assertThat(relay.agent().isOpen()).isFalse();
  }

  @Test
  void drainWaitsForStartedSession() {
    becomeWarm();
    relay.send(start());
    assertThat(relay.agent().pipeline().get(WarmConnection.class)).isNull();
    assertThat(((Frame.Failed) relay.received()).reason()).isSameAs(ReasonCode.TARGET_UNREACHABLE);
    assertThat(tracker.drain().isDone()).isFalse();
    relay.send(Frame.Data.of(Unpooled.copyLong(1)), Frame.Ping.of(1));
    assertThat(relay.received()).as("answer to a PING after START").isNull();
    relay.advanceTime(999, TimeUnit.MILLISECONDS);
    assertThat(relay.agent().isOpen()).as("open, so that the relay can read FAILED").isTrue();
    relay.advanceTime(1, TimeUnit.MILLISECONDS);
    assertThat(relay.agent().isOpen()).isFalse();
    assertThat(tracker.drain().isSuccess()).isTrue();
  }

  @Test
  void startAfterAbortAllIsRejected() {
    becomeWarm();
    tracker.abortAll(ReasonCode.DRAINING);
    relay.send(start());
    assertThat(((Frame.Reset) relay.received()).reason()).isSameAs(ReasonCode.DRAINING);
    assertThat(relay.agent().isOpen()).isFalse();
    assertThat(tracker.drain().isSuccess()).isTrue();
  }

  private void becomeWarm() {
    assertThat(((Frame.Claim) relay.received()).secret()).isEqualTo(dialRequest.token());
    relay.send(Frame.Ready.of(dialRequest.ack()));
    assertThat(relay.agent().pipeline().get(DataHandshake.class)).isNull();
    assertThat(relay.agent().pipeline().get(WarmConnection.class)).isNotNull();
  }

  private void assertFailed(ReasonCode reason) {
    assertThat(relay.agent().isOpen()).isFalse();
    control.runPendingTasks();
    assertThat(failures).containsExactly(reason);
  }

  private static Frame start() {
    InetSocketAddress any = new InetSocketAddress("127.0.0.1", 1);
    return Frame.Start.of(1, any, any);
  }
}
