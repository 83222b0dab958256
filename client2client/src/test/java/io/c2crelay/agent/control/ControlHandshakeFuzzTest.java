package io.c2crelay.agent.control;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.agent.FinishedTls;
import io.c2crelay.agent.events.ServiceEvents;
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
import io.c2crelay.common.protocol.ServiceName;
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
import org.junit.jupiter.api.Test;

/**
 * An agent's control connection after its TLS handshake, with an arbitrary relay. A relay is
 * authenticated if and only if its proof is valid; every attempt has one outcome within 10 s.
 *
 * <p>Input: a byte (even: the key is available from the start), then steps of one byte each,
 * followed by their arguments.
 */
class ControlHandshakeFuzzTest {
  /** The longest frame, in a buffer that doubles, and the last read. */
  private static final int MAX_HELD = 16 * 1024;

  private static final int[] MILLIS = {1, 500, 3000, 9999, 10_000, 15_000, 25_000};
  private static final ServiceEvents EVENTS = new ServiceEvents(ServiceName.DEFAULT, "relay", 4000);
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final MutualAuth KEY = SharedKey.of("the key").deriveKey().join();
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
    /** TLS succeeds (even) or fails. */
    TLS,
    /** Version. */
    CHALLENGE,
    /** Data mode, index of the byte to change, XOR mask. */
    WELCOME,
    /** Length, bytes. */
    BYTES,
    /** Type, length, bytes. */
    FRAME,
    /** Number of dial requests. */
    DIAL,
    /** Index into {@link #MILLIS}. */
    ADVANCE_TIME,
    /** FIN (even) or reset. */
    END,
    KEY_READY
  }

  /** Both ends of one attempt. */
  private static final class Attempt implements ControlHandshake.Listener, ControlHandler.Owner {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final long startNanos = ticker.nanoTime();
    final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
    final EmbeddedChannel channel =
        EmbeddedChannel.builder().register(false).ticker(ticker).build();
    final EmbeddedChannel relay = new EmbeddedChannel(FrameDecoder.ofControl());
    final EmbeddedChannel decoder = new EmbeddedChannel(FrameDecoder.ofControl());
    final List<String> outcomes = new ArrayList<>();
    final List<Frame.Challenge> challenges = new ArrayList<>();
    final List<Frame.Welcome> welcomes = new ArrayList<>();
    Frame.@Nullable Auth auth;
    byte @Nullable [] channelBinding;
    boolean tlsDone;
    boolean secure;
    boolean malformed;

    /** Only a valid CHALLENGE and a valid WELCOME were sent. */
    boolean valid = true;

    boolean welcomeSent;
    boolean lost;
    int dialsSent;
    int dialsReceived;

    Attempt() throws Exception {
      channel.config().setAllocator(allocator);
      channel
          .pipeline()
          .addLast("tls", FinishedTls.of(TLS))
          .addLast(FrameDecoder.ofControl(), FrameEncoder.INSTANCE)
          .addLast(
              new ControlHandshake(
                  key,
                  RANDOM,
                  InstanceId.random(RANDOM),
                  7,
                  ServiceName.DEFAULT,
                  "fuzz",
                  "target",
                  this));
      channel.register();
    }

    @Override
    public void authenticated(ChannelHandlerContext ctx, byte[] binding) {
      outcomes.add("authenticated");
      channelBinding = binding; // checked later: the agent would catch an error thrown here
      ctx.pipeline()
          .addLast(
              new Heartbeat(() -> lost(ReasonCode.AGENT_LOST), nanos -> {}),
              new ControlHandler(this, EVENTS));
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
      dialsReceived += dial.dialRequests().size();
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
      valid &= version == 1 && challenges.isEmpty();
      receive(Script.frame(Frame.Challenge.of(version, new byte[32])));
    }

    void welcome(int dataMode, int index, int mask) {
      if (auth == null) {
        return;
      }
      byte[] bytes = Script.frame(KEY.welcome(transcript(), dataMode));
      bytes[index % bytes.length] ^= (byte) mask;
      valid &= dataMode == 0 && mask == 0 && !welcomeSent;
      welcomeSent = true;
      receive(bytes);
    }

    void other(byte[] bytes) {
      valid &= bytes.length == 0;
      receive(bytes);
    }

    /** Ignores bytes before the TLS handshake is complete. */
    private void receive(byte[] bytes) {
      if (!secure || !channel.isOpen()) {
        return;
      }
      overhear(bytes);
      channel.writeInbound(allocator.buffer(bytes.length).writeBytes(bytes));
    }

    private void overhear(byte[] bytes) {
      try {
        if (!malformed) {
          decoder.writeInbound(Unpooled.copiedBuffer(bytes));
        }
      } catch (ProtocolException e) {
        malformed = true;
      }
      for (Frame frame = decoder.readInbound(); frame != null; frame = decoder.readInbound()) {
        if (frame instanceof Frame.Challenge) {
          challenges.add((Frame.Challenge) frame);
        } else if (frame instanceof Frame.Welcome) {
          welcomes.add((Frame.Welcome) frame);
        } else if (frame instanceof Frame.Dial) {
          dialsSent += ((Frame.Dial) frame).dialRequests().size();
        }
      }
    }

    private Transcript transcript() {
      return Transcript.of(Preamble.of(Preamble.Kind.CONTROL), BINDING, challenges.get(0), auth);
    }

    void end(boolean orderly) {
      if (!orderly && channel.isOpen()) {
        channel.pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
      }
      channel.close();
    }

    void run() {
      channel.runScheduledPendingTasks();
      channel.runPendingTasks();
      for (ByteBuf bytes = channel.readOutbound(); bytes != null; bytes = channel.readOutbound()) {
        relay.writeInbound(Unpooled.copiedBuffer(bytes));
        bytes.release();
      }
      for (Frame frame = relay.readInbound(); frame != null; frame = relay.readInbound()) {
        heard(frame);
      }
    }

    private void heard(Frame frame) {
      if (frame instanceof Frame.Auth) {
        assertThat(auth).as("earlier AUTH").isNull();
        assertThat(secure && key.isDone()).as("TLS and the key are ready").isTrue();
        assertThat(challenges).as("CHALLENGE frames").isNotEmpty();
        assertThat(challenges.get(0).version()).isEqualTo(1);
        auth = (Frame.Auth) frame;
        assertThat(KEY.verify(transcript(), auth)).as("the agent's proof").isTrue();
      } else {
        assertThat(outcomes).as("outcomes before %s", frame).containsExactly("authenticated");
      }
    }

    void check() {
      channel.checkException();
      assertThat(outcomes).as("outcomes").hasSizeLessThanOrEqualTo(1);
      if (outcomes.isEmpty()) {
        assertThat(channel.isOpen()).as("open without an outcome").isTrue();
        assertThat(ticker.nanoTime() - startNanos)
            .as("age")
            .isLessThan(MILLISECONDS.toNanos(10_000));
        assertThat(valid && welcomeSent).as("valid WELCOME without an outcome").isFalse();
        return;
      }
      switch (outcomes.get(0)) {
        case "authenticated" -> {
          assertThat(channelBinding).isEqualTo(BINDING);
          assertThat(welcomes).anyMatch(this::isRight);
          assertThat(channel.isOpen()).as("open").isEqualTo(!lost);
          assertThat(dialsReceived).as("dial requests").isLessThanOrEqualTo(dialsSent);
        }
        case "impostor" -> {
          assertThat(auth).isNotNull();
          assertThat(KEY.verify(transcript(), welcomes.get(0))).isFalse();
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
      return welcome.dataMode() == 0 && KEY.verify(transcript(), welcome);
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
    play(Script.of(input)).assertNothingLeft();
  }

  /** Otherwise the fuzzer would test nothing. */
  @Test
  void scriptReachesTheRelay() throws Exception {
    Attempt attempt = play(Script.ofSeed(getClass(), "attach"));
    assertThat(attempt.outcomes).containsExactly("authenticated");
    attempt.assertNothingLeft();
  }

  private static Attempt play(Script script) throws Exception {
    Attempt attempt = new Attempt();
    if (script.isEven()) {
      attempt.key.complete(KEY);
    }
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case TLS -> attempt.tls(script.isEven());
        case CHALLENGE -> attempt.challenge(script.unsignedByte());
        case WELCOME ->
            attempt.welcome(script.unsignedByte(), script.unsignedByte(), script.unsignedByte());
        case BYTES -> attempt.other(script.bytes());
        case FRAME -> {
          int type = script.unsignedByte();
          attempt.other(Script.frame(type, script.bytes()));
        }
        case DIAL ->
            attempt.other(Script.frame(0x04, new byte[32 * (script.unsignedByte() % 130)]));
        case ADVANCE_TIME -> attempt.ticker.advance(script.oneOf(MILLIS), MILLISECONDS);
        case END -> attempt.end(script.isEven());
        case KEY_READY -> attempt.key.complete(KEY);
      }
      attempt.run();
      attempt.check();
    }
    return attempt;
  }
}
