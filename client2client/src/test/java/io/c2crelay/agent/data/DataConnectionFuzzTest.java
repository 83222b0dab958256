package io.c2crelay.agent.data;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.MINUTES;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.agent.FinishedTls;
import io.c2crelay.agent.RelayEnd;
import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.testing.ByteRecord;
import io.c2crelay.common.testing.MemorySocket;
import io.c2crelay.common.testing.Script;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.transport.Transport;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.MockTicker;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.Ticker;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * An agent's data connection from the end of its TLS handshake to the end of its session, with an
 * arbitrary relay and target. The target is dialled only after READY and START, bytes stay in
 * order, EOF and FIN follow all bytes, and nothing leaks.
 *
 * <p>Input: a byte (even: the relay's certificate is the control connection's), then steps of one
 * byte each, followed by their arguments.
 */
class DataConnectionFuzzTest {
  private static final int MAX_SENT = 1 << 20;

  /** Each way 64 KiB and one read, and early data. */
  private static final int MAX_HELD = (64 + 64) * 1024 * 3;

  private static final int[] MILLIS = {1, 999, 1000, 4000, 10_000, 30_000};
  private static final ServiceEvents EVENTS = new ServiceEvents(ServiceName.DEFAULT, "relay", 4000);
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final SSLEngine TLS;
  private static final byte[] BINDING;
  private static final RelayConnector UNUSED_CONNECTOR;

  static {
    try {
      Identity identity = Identity.create(RANDOM);
      TLS = FinishedTls.engine(identity);
      BINDING = identity.binding();
      UNUSED_CONNECTOR =
          new RelayConnector(
              Dialer.direct(Transport.NIO, NameResolver.create()),
              Duration.ofSeconds(3),
              RelayEnd.agentTls(),
              null);
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private enum Step {
    /** TLS succeeds (even) or fails. */
    TLS,
    /** The expected ack (even) or another. */
    READY,
    START,
    /** Type, length, bytes. */
    FRAME,
    /** Number of DATA frames of 1000 bytes. */
    FLOOD,
    /** Length, bytes. */
    BYTES,
    /** FIN, reset, stop reading, resume reading. */
    RELAY_EVENT,
    /** The target accepts (even) or refuses. */
    TARGET_ANSWERS,
    /** Length, bytes. */
    TARGET_SENDS,
    /** Number of KiB. */
    TARGET_FLOODS,
    /** FIN, reset, stop reading, resume reading. */
    TARGET_EVENT,
    /** Index into {@link #MILLIS}. */
    ADVANCE_TIME,
    /** The control connection ends. */
    CONTROL_ENDS
  }

  private static final class Agent {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final EmbeddedChannel loop = EmbeddedChannel.builder().ticker(ticker).build();

    /** Runs immediate tasks only: failed dials are not retried. */
    final EmbeddedChannel controlLoop = EmbeddedChannel.builder().ticker(ticker).build();

    final BufferBudget budget = BufferBudget.ofBytes(64 << 20);
    final SessionTracker tracker = new SessionTracker();
    final List<ReasonCode> failures = new ArrayList<>();
    final Frame.Dial.DialRequest dialRequest =
        Frame.Dial.DialRequest.of(Token.random(RANDOM), Token.random(RANDOM));
    final MemorySocket data = socket(false);
    final MemorySocket target = socket(true);
    final DataDialer dialer;
    final boolean rightCertificate;

    final EmbeddedChannel fromAgent = new EmbeddedChannel(FrameDecoder.ofData());
    final EmbeddedChannel fromRelay = new EmbeddedChannel(FrameDecoder.ofData());
    final ByteRecord dataSent = new ByteRecord();
    final ByteRecord dataReceived = new ByteRecord();
    final ByteRecord targetReceived = new ByteRecord();
    final ByteRecord targetSent = new ByteRecord();
    @Nullable Promise<MemorySocket> dialling;
    boolean dialledEarly;
    boolean dialledTwice;
    boolean connected;
    boolean targetFinished;
    boolean targetStalled;
    int sent;
    boolean tlsDone;
    boolean secure;
    boolean malformed;
    boolean readySent;
    boolean startSent;
    boolean eofSent;
    boolean claimed;
    boolean started;
    boolean failed;
    boolean eofReceived;
    boolean doneSent;
    boolean doneReceived;
    int nextDials;

    Agent(boolean rightCertificate) {
      this.rightCertificate = rightCertificate;
      BridgeSettings settings =
          BridgeSettings.of(
              BridgeSettings.Side.AGENT, budget, Duration.ZERO, Duration.ofMinutes(1));
      dialer =
          new DataDialer(
              controlLoop.eventLoop(),
              controlLoop.eventLoop(),
              UNUSED_CONNECTOR,
              new SessionStarter(this::dialTarget, settings, tracker, EVENTS),
              new InetSocketAddress("192.0.2.1", 4000),
              rightCertificate ? BINDING : new byte[32],
              1,
              EVENTS,
              (token, reason) -> failures.add(reason));
      DataDial dial = new DataDial(dialer, dialRequest, controlLoop.eventLoop());
      data.pipeline()
          .addLast("tls", FinishedTls.of(TLS))
          .addLast(FrameDecoder.ofData(), FrameEncoder.INSTANCE)
          .addLast(new DataHandshake(dial, dialer));
      loop.eventLoop().register(data);
      dialer.opened(data);
    }

    private MemorySocket socket(boolean halfClosure) {
      return new MemorySocket(new InetSocketAddress("192.0.2.1", 1), halfClosure, allocator);
    }

    private Future<MemorySocket> dialTarget(EventLoop eventLoop, Frame.Start session) {
      dialledEarly |= !readySent || !startSent; // the agent would catch an error thrown here
      if (doneSent && doneReceived()) {
        nextDials++;
        return eventLoop.newFailedFuture(new ConnectException("Connection refused"));
      }
      dialledTwice |= dialling != null;
      dialling = eventLoop.newPromise();
      return dialling;
    }

    void targetAnswers(boolean accepts) {
      if (dialling == null || dialling.isDone()) {
        return;
      }
      if (accepts) {
        connected = true;
        target.config().setAutoRead(false);
        loop.eventLoop().register(target);
        dialling.trySuccess(target);
      } else {
        dialling.tryFailure(new ConnectException("Connection refused"));
      }
    }

    void tls(boolean success) {
      if (!tlsDone && data.isOpen()) {
        tlsDone = true;
        secure = success;
        data.pipeline()
            .fireUserEventTriggered(
                success
                    ? SslHandshakeCompletionEvent.SUCCESS
                    : new SslHandshakeCompletionEvent(new SSLException("failed")));
      }
    }

    /** Ignores bytes before the TLS handshake is complete. */
    void relaySends(byte[] bytes) {
      if (!secure || !data.peerMaySend() || sent >= MAX_SENT) {
        return;
      }
      sent += bytes.length;
      data.peerSends(bytes);
      try {
        if (!malformed) {
          fromRelay.writeInbound(Unpooled.wrappedBuffer(bytes));
        }
      } catch (ProtocolException e) {
        malformed = true;
      }
      for (Frame frame = fromRelay.readInbound(); frame != null; frame = fromRelay.readInbound()) {
        readySent |=
            frame instanceof Frame.Ready
                && ((Frame.Ready) frame).secret().equals(dialRequest.ack());
        startSent |= frame instanceof Frame.Start;
        doneSent |= frame instanceof Frame.Done;
        if (frame instanceof Frame.Data && !eofSent) {
          dataSent.add(((Frame.Data) frame).content());
        }
        eofSent |= frame instanceof Frame.Eof;
      }
    }

    void targetSends(byte[] bytes) {
      if (connected && target.peerMaySend() && targetSent.size() < MAX_SENT) {
        targetSent.writeBytes(bytes);
        target.peerSends(bytes);
      }
    }

    /** Whether the agent has written DONE, also if it is still on its way. */
    private boolean doneReceived() {
      hear();
      return doneReceived;
    }

    /** Runs all tasks and transfers all bytes. */
    void run() {
      boolean moved = true;
      while (moved || loop.hasPendingTasks()) {
        loop.runScheduledPendingTasks();
        loop.runPendingTasks();
        controlLoop.runPendingTasks();
        moved = data.pump() | target.pump();
      }
      hear();
      check();
    }

    private void hear() {
      byte[] bytes = data.peerTakes();
      if (bytes.length > 0) {
        fromAgent.writeInbound(Unpooled.wrappedBuffer(bytes));
      }
      for (Frame frame = fromAgent.readInbound(); frame != null; frame = fromAgent.readInbound()) {
        heard(frame);
      }
    }

    private void heard(Frame frame) {
      if (doneReceived) { // the next session, whose target refuses
        boolean fits = frame instanceof Frame.Pong || frame instanceof Frame.Failed;
        assertThat(fits || frame instanceof Frame.Reset).as("%s after DONE", frame).isTrue();
        return;
      }
      if (frame instanceof Frame.Done) {
        assertThat(eofReceived && eofSent).as("DONE after both EOFs").isTrue();
        doneReceived = true;
        return;
      }
      boolean aborts = frame instanceof Frame.Reset;
      assertThat(!aborts && (eofReceived || failed)).as("%s after the end", frame).isFalse();
      if (frame instanceof Frame.Claim) {
        assertThat(claimed).as("earlier CLAIM").isFalse();
        assertThat(rightCertificate && secure).as("relay certificate is valid").isTrue();
        assertThat(((Frame.Claim) frame).secret()).isEqualTo(dialRequest.token());
        claimed = true;
        return;
      }
      assertThat(readySent).as("READY before %s", frame).isTrue();
      if (frame instanceof Frame.Started) {
        assertThat(connected && !started).as("first STARTED, with the target connected").isTrue();
        started = true;
      } else if (frame instanceof Frame.Failed) {
        assertThat(started || dialling == null).as("FAILED in place of STARTED").isFalse();
        failed = true;
      } else if (frame instanceof Frame.Data) {
        assertThat(started).as("STARTED before DATA").isTrue();
        dataReceived.add(((Frame.Data) frame).content());
      } else if (frame instanceof Frame.Eof) {
        assertThat(started).as("STARTED before EOF").isTrue();
        eofReceived = true;
      } else if (frame instanceof Frame.Pong) {
        assertThat(started).as("PONG in a session").isFalse();
      } else {
        assertThat(frame).isInstanceOfAny(Frame.Ping.class, Frame.Reset.class);
      }
    }

    private void check() {
      data.checkExceptionsHandled();
      target.checkExceptionsHandled();
      assertThat(dialledEarly).as("dialled before READY and START").isFalse();
      assertThat(dialledTwice).as("dialled twice").isFalse();
      targetReceived.writeBytes(target.peerTakes());
      targetReceived.assertPrefixOf(dataSent, "relay data");
      dataReceived.assertPrefixOf(targetSent, "target data");
      if (connected && target.peerSawFin()) {
        assertThat(eofSent).as("EOF from the relay before FIN").isTrue();
        assertThat(targetReceived.size()).as("bytes before FIN").isEqualTo(dataSent.size());
      }
      if (connected && !data.isOpen() && !targetFinished && !targetStalled) {
        assertThat(target.isOpen()).as("target open after the data connection closed").isFalse();
      }
      if (eofReceived) {
        assertThat(dataReceived.size()).as("bytes before EOF").isEqualTo(targetSent.size());
      }
      assertThat(failures).as("reported dial failures").hasSizeLessThanOrEqualTo(1);
      assertThat(allocator.metric().usedHeapMemory()).as("bytes held").isLessThan(MAX_HELD);
    }

    static void does(MemorySocket end, int event) {
      switch (event % 4) {
        case 0 -> end.peerFinishes();
        case 1 -> end.peerResets();
        case 2 -> end.peerStalls();
        default -> end.peerGoesOn();
      }
    }

    void assertNothingLeft() {
      does(data, 1);
      run();
      targetAnswers(true); // after the data connection was reset
      run();
      ticker.advance(1, MINUTES); // the half-close timeout
      run();
      assertThat(connected && target.isOpen()).as("target open").isFalse();
      assertThat(tracker.drain().isSuccess()).as("all sessions ended").isTrue();
      assertThat(budget.usedBytes()).as("bytes counted in the budget").isZero();
      assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
      assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    }
  }

  @FuzzTest
  void steps(byte[] input) {
    play(Script.of(input)).assertNothingLeft();
  }

  /** Otherwise the fuzzer would test nothing. */
  @Test
  void scriptReachesTheNextSession() {
    Agent agent = play(Script.ofSeed(getClass(), "next-session-on-the-connection"));
    assertThat(agent.started && agent.doneReceived).isTrue();
    assertThat(agent.nextDials).isEqualTo(1);
    agent.assertNothingLeft();
  }

  private static Agent play(Script script) {
    Agent agent = new Agent(script.isEven());
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case TLS -> agent.tls(script.isEven());
        case READY -> {
          Token ack = script.isEven() ? agent.dialRequest.ack() : Token.random(RANDOM);
          agent.relaySends(Script.frame(Frame.Ready.of(ack)));
        }
        case START -> {
          InetSocketAddress any = new InetSocketAddress("192.0.2.7", 1);
          agent.relaySends(Script.frame(Frame.Start.of(1, any, any)));
        }
        case FRAME -> {
          int type = script.unsignedByte();
          agent.relaySends(Script.frame(type, script.bytes()));
        }
        case FLOOD -> {
          for (int i = script.unsignedByte(); i > 0; i--) {
            agent.relaySends(Script.frame(0x15, new byte[1000]));
          }
        }
        case BYTES -> agent.relaySends(script.bytes());
        case RELAY_EVENT -> Agent.does(agent.data, script.unsignedByte());
        case TARGET_ANSWERS -> agent.targetAnswers(script.isEven());
        case TARGET_SENDS -> agent.targetSends(script.bytes());
        case TARGET_FLOODS -> agent.targetSends(new byte[1024 * script.unsignedByte()]);
        case TARGET_EVENT -> {
          int event = script.unsignedByte();
          if (agent.connected) {
            agent.targetFinished |= event % 4 == 0;
            agent.targetStalled |= event % 4 == 2; // its last bytes may be delivered later
            Agent.does(agent.target, event);
          }
        }
        case ADVANCE_TIME -> agent.ticker.advance(script.oneOf(MILLIS), MILLISECONDS);
        case CONTROL_ENDS -> agent.dialer.close();
      }
      agent.run();
    }
    return agent;
  }
}
