package io.c2crelay.client.control;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.client.FinishedTls;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.testing.Script;
import io.c2crelay.common.tls.Identity;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.concurrent.MockTicker;
import io.netty.util.concurrent.Ticker;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * An agent's control connection, from the end of its TLS handshake on, with a relay that does
 * anything: no relay without the proof is believed, the right one always is, and each attempt has
 * one outcome, in time.
 *
 * <p>An input is a byte that says whether the key is there from the beginning (even), then a
 * sequence of steps, one byte each, and what they need.
 */
class ControlHandshakeFuzzTest {
  /** The longest frame, in a buffer that doubles, and the piece it came in. */
  private static final int MAX_HELD = 16 * 1024;

  private static final int[] MILLIS = {1, 500, 3000, 9999, 10_000, 15_000, 25_000};
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final MutualAuth KEY = SharedKey.of("the key").stretch().join();
  private static final SSLEngine TLS;
  private static final byte[] BINDING;

  static {
    try {
      Identity identity = Identity.create(RANDOM);
      TLS = FinishedTls.engine(identity);
      BINDING = identity.binding();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private enum Step {
    /** TLS is done (even) or fails. */
    TLS,
    /** Version. */
    CHALLENGE,
    /** Data mode, which byte of the frame to change, by what. */
    WELCOME,
    /** Length, bytes. */
    BYTES,
    /** Type, length, that many bytes. */
    FRAME,
    /** How many tickets. */
    DIAL,
    /** An index of {@link #MILLIS}. */
    PASS,
    /** FIN (even) or reset. */
    END,
    KEY_IS_THERE
  }

  /** The agent's end, as its owner sees it, and the relay's. */
  private static final class Attempt implements ControlHandshake.Outcome, ControlHandler.Owner {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final long beganNanos = ticker.nanoTime();
    final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
    final EmbeddedChannel channel =
        EmbeddedChannel.builder().register(false).ticker(ticker).build();
    final EmbeddedChannel relay = new EmbeddedChannel(FrameDecoder.ofControl());
    final EmbeddedChannel shadow = new EmbeddedChannel(FrameDecoder.ofControl());
    final List<String> outcomes = new ArrayList<>();
    final List<Frame.Challenge> challenges = new ArrayList<>();
    final List<Frame.Welcome> welcomes = new ArrayList<>();
    Frame.@Nullable Auth auth;
    byte @Nullable [] seenBinding;
    boolean tlsDone;
    boolean secure;
    boolean broken;

    /** Nothing but a CHALLENGE and the right WELCOME was sent. */
    boolean faultless = true;

    boolean welcomeSent;
    boolean lost;
    int ticketsSent;
    int ticketsHeard;

    Attempt() throws Exception {
      channel.config().setAllocator(allocator);
      channel
          .pipeline()
          .addLast(FinishedTls.of(TLS), FrameDecoder.ofControl(), FrameEncoder.INSTANCE)
          .addLast(
              new ControlHandshake(
                  key, RANDOM, InstanceId.random(RANDOM), 7, "fuzz", "target", this));
      channel.register();
    }

    @Override
    public void authenticated(ChannelHandlerContext ctx, byte[] binding) {
      outcomes.add("authenticated");
      seenBinding = binding; // the agent itself would catch an error thrown here
      ctx.pipeline()
          .addLast(new Heartbeat(() -> lost(ReasonCode.AGENT_LOST)), new ControlHandler(this));
    }

    @Override
    public void impostor() {
      outcomes.add("impostor");
    }

    @Override
    public void refused() {
      run();
      outcomes.add("refused");
    }

    @Override
    public void failed(@Nullable Throwable cause) {
      run();
      outcomes.add("failed");
    }

    @Override
    public void dial(Frame.Dial dial) {
      ticketsHeard += dial.tickets().size();
    }

    @Override
    public void goAway(ReasonCode reason) {}

    @Override
    public void lost(ReasonCode reason) {
      lost = true;
      channel.close();
    }

    void tls(boolean success) {
      if (!tlsDone && channel.isOpen()) {
        tlsDone = true;
        secure = success;
        channel
            .pipeline()
            .fireUserEventTriggered(
                success
                    ? SslHandshakeCompletionEvent.SUCCESS
                    : new SslHandshakeCompletionEvent(new SSLException("failed")));
      }
    }

    void challenge(int version) {
      faultless &= version == 1 && challenges.isEmpty();
      receive(Script.frame(Frame.Challenge.of(version, new byte[32])));
    }

    void welcome(int dataMode, int at, int by) {
      if (auth == null) {
        return;
      }
      byte[] bytes = Script.frame(KEY.welcome(transcript(), dataMode));
      bytes[at % bytes.length] ^= (byte) by;
      faultless &= dataMode == 0 && by == 0 && !welcomeSent;
      welcomeSent = true;
      receive(bytes);
    }

    void other(byte[] bytes) {
      faultless &= bytes.length == 0;
      receive(bytes);
    }

    /** TLS passes nothing on before its handshake is done. */
    private void receive(byte[] bytes) {
      if (!secure || !channel.isOpen()) {
        return;
      }
      overhear(bytes);
      channel.writeInbound(allocator.buffer(bytes.length).writeBytes(bytes));
    }

    private void overhear(byte[] bytes) {
      try {
        if (!broken) {
          shadow.writeInbound(Unpooled.copiedBuffer(bytes));
        }
      } catch (ProtocolException e) {
        broken = true;
      }
      for (Frame frame = shadow.readInbound(); frame != null; frame = shadow.readInbound()) {
        if (frame instanceof Frame.Challenge) {
          challenges.add((Frame.Challenge) frame);
        } else if (frame instanceof Frame.Welcome) {
          welcomes.add((Frame.Welcome) frame);
        } else if (frame instanceof Frame.Dial) {
          ticketsSent += ((Frame.Dial) frame).tickets().size();
        }
      }
    }

    private Transcript transcript() {
      return Transcript.of(Preamble.of(Preamble.Kind.CONTROL), BINDING, challenges.get(0), auth);
    }

    void end(boolean inOrder) {
      if (!inOrder && channel.isOpen()) {
        channel.pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
      }
      channel.close();
    }

    void run() {
      channel.runScheduledPendingTasks();
      channel.runPendingTasks();
      for (ByteBuf part = channel.readOutbound(); part != null; part = channel.readOutbound()) {
        relay.writeInbound(Unpooled.copiedBuffer(part));
        part.release();
      }
      for (Frame frame = relay.readInbound(); frame != null; frame = relay.readInbound()) {
        heard(frame);
      }
    }

    private void heard(Frame frame) {
      if (frame instanceof Frame.Auth) {
        assertThat(auth).as("the AUTH before").isNull();
        assertThat(secure && key.isDone()).as("TLS and the key are there").isTrue();
        assertThat(challenges).as("challenges").isNotEmpty();
        assertThat(challenges.get(0).version()).isEqualTo(1);
        auth = (Frame.Auth) frame;
        assertThat(KEY.holds(transcript(), auth)).as("the agent's proof").isTrue();
      } else {
        assertThat(outcomes).as("when %s is sent", frame).containsExactly("authenticated");
      }
    }

    void check() {
      channel.checkException();
      assertThat(outcomes).as("outcomes").hasSizeLessThanOrEqualTo(1);
      if (outcomes.isEmpty()) {
        assertThat(channel.isOpen()).as("open without an outcome").isTrue();
        assertThat(ticker.nanoTime() - beganNanos)
            .as("age")
            .isLessThan(MILLISECONDS.toNanos(10_000));
        assertThat(faultless && welcomeSent).as("the right WELCOME goes unheard").isFalse();
        return;
      }
      switch (outcomes.get(0)) {
        case "authenticated" -> {
          assertThat(seenBinding).isEqualTo(BINDING);
          assertThat(welcomes).anyMatch(this::isRight);
          assertThat(channel.isOpen()).as("open").isEqualTo(!lost);
          assertThat(ticketsHeard).as("tickets").isLessThanOrEqualTo(ticketsSent);
        }
        case "impostor" -> {
          assertThat(auth).isNotNull();
          assertThat(KEY.holds(transcript(), welcomes.get(0))).isFalse();
          assertThat(channel.isOpen()).isFalse();
        }
        case "refused" -> {
          assertThat(auth).isNotNull();
          assertThat(channel.isOpen()).isFalse();
        }
        default -> assertThat(channel.isOpen()).isFalse();
      }
      assertThat(allocator.metric().usedHeapMemory()).as("bytes held").isLessThan(MAX_HELD);
    }

    private boolean isRight(Frame.Welcome welcome) {
      return welcome.dataMode() == 0 && KEY.holds(transcript(), welcome);
    }

    void assertNothingLeft() {
      channel.close();
      run();
      assertThat(outcomes).as("outcomes").hasSize(1);
      assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
      assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    }
  }

  @FuzzTest
  void steps(byte[] input) throws Exception {
    Script script = Script.of(input);
    Attempt attempt = new Attempt();
    if (script.usual()) {
      attempt.key.complete(KEY);
    }
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case TLS -> attempt.tls(script.usual());
        case CHALLENGE -> attempt.challenge(script.number());
        case WELCOME -> attempt.welcome(script.number(), script.number(), script.number());
        case BYTES -> attempt.other(script.bytes());
        case FRAME -> {
          int type = script.number();
          attempt.other(Script.frame(type, script.bytes()));
        }
        case DIAL -> attempt.other(Script.frame(0x04, new byte[32 * (script.number() % 130)]));
        case PASS -> attempt.ticker.advance(script.oneOf(MILLIS), MILLISECONDS);
        case END -> attempt.end(script.usual());
        case KEY_IS_THERE -> attempt.key.complete(KEY);
      }
      attempt.run();
      attempt.check();
    }
    attempt.assertNothingLeft();
  }
}
