package io.c2crelay.server.agent;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.splice.BufferBudget;
import io.c2crelay.common.testing.Script;
import io.c2crelay.server.session.AgentAddresses;
import io.c2crelay.server.session.BrokerSettings;
import io.c2crelay.server.session.ConnectionLimit;
import io.c2crelay.server.session.SessionBroker;
import io.c2crelay.server.session.Source;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.concurrent.MockTicker;
import io.netty.util.concurrent.Ticker;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLException;

/**
 * Control connections of one address, from the end of their TLS handshake on, whatever they send:
 * nobody is let in without the proof, everybody with it, and whoever is not in is gone in time.
 *
 * <p>An input is a byte that says whether the key is there from the beginning (even), then a
 * sequence of steps, one byte each, and what they need.
 */
class ControlHandshakeFuzzTest {
  private static final MutualAuth KEY = SharedKey.of("the key").stretch().join();
  private static final byte[] BINDING = new byte[32];
  private static final Preamble PREAMBLE = Preamble.of(Preamble.Kind.CONTROL);
  private static final Source SOURCE = Source.of(new InetSocketAddress("203.0.113.9", 1));

  private static final int CONNECTIONS = 4;
  private static final int WRONG_PROOFS_AT_ONCE = 5;

  /** No connection needs more than its longest frame. */
  private static final int MAX_HELD = CONNECTIONS * 8 * 1024;

  private static final int[] MILLIS = {1, 500, 999, 1000, 3000, 9999, 10_000, 15_000, 25_000};

  private enum Step {
    /** Which connection the next steps are about; it is opened if it is not open. */
    CONNECTION,
    /** TLS is done (even) or fails. */
    TLS,
    /** Length, bytes. */
    BYTES,
    /** Type, length, that many bytes. */
    FRAME,
    /** How many KiB of frames that are skipped. */
    FLOOD,
    /** An agent, its epoch, the length of its label, which byte of the frame to change, by what. */
    AUTH,
    /** Which of the tokens that were sent. */
    DIAL_FAILED,
    /** An index of {@link #MILLIS}. */
    PASS,
    /** FIN (even) or reset. */
    END,
    KEY_IS_THERE
  }

  private static final class Relay {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final EmbeddedChannel brokerLoop = EmbeddedChannel.builder().ticker(ticker).build();
    final SecureRandom random = new SecureRandom();
    final AgentAddresses addresses = new AgentAddresses();
    final SessionBroker broker =
        new SessionBroker(
            brokerLoop.eventLoop(),
            BrokerSettings.of(2, Duration.ofSeconds(15), 100),
            BufferBudget.ofBytes(1 << 20),
            addresses,
            random);
    final AgentRegistry registry = new AgentRegistry(brokerLoop.eventLoop(), broker, addresses);
    final AuthThrottle throttle = new AuthThrottle();
    final ConnectionLimit<HandshakeGuard> limits = HandshakeGuard.limitOfStrangers();
    final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
    final InstanceId[] agents = {InstanceId.random(random), InstanceId.random(random)};
    final Set<InstanceId> known = new HashSet<>();
    final Set<Connection> guessing = new HashSet<>();
    final Connection[] connections = new Connection[CONNECTIONS];
    final List<Connection> all = new ArrayList<>();
    final Deque<Token> tokens = new ArrayDeque<>();

    /** Each connection can prove wrongly once. */
    boolean mayGuess() {
      return guessing.size() < WRONG_PROOFS_AT_ONCE;
    }

    Connection connection(int index) {
      if (connections[index] == null || !connections[index].channel.isOpen()) {
        connections[index] = new Connection(this);
        all.add(connections[index]);
      }
      return connections[index];
    }

    void pass(long millis) {
      ticker.advance(millis, MILLISECONDS);
      run();
    }

    void run() {
      for (int i = 0; i < 3; i++) { // to the broker, and what it answers
        all.forEach(Connection::run);
        brokerLoop.runScheduledPendingTasks();
        brokerLoop.runPendingTasks();
      }
      all.forEach(Connection::check);
      all.removeIf(connection -> !connection.channel.isOpen());
      assertThat(allocator.metric().usedHeapMemory()).as("bytes held").isLessThan(MAX_HELD);
    }

    void assertNothingLeft() {
      all.forEach(connection -> connection.channel.close());
      run();
      pass(60_000);
      assertThat(broker.counts())
          .isEqualTo("agents=0 warm=0 tokens=0 waiting=0 sessions=0 buffered=0");
      assertThat(limits.size()).as("handshakes").isZero();
      assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
      assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    }
  }

  private static final class Connection {
    final Relay relay;
    final EmbeddedChannel channel;
    final EmbeddedChannel peer = new EmbeddedChannel(FrameDecoder.ofControl());
    final long openedNanos;
    final List<Frame.Auth> proven = new ArrayList<>();
    Frame.Challenge challenge;
    boolean tlsDone;
    boolean secure;
    boolean welcome;

    /** Nothing but one proven AUTH was sent, of an agent that is not slowed down. */
    boolean welcomeDue;

    boolean sentAnything;
    long lastSentNanos;

    /** An AUTH waits for the key; whatever follows it before WELCOME is out of order. */
    boolean authWaits;

    boolean outOfOrder;

    /** What was sent so far is whole frames, so that what follows is seen as what it is. */
    boolean whole = true;

    /** Since when it is certain that it is not let in. */
    long refusedNanos = Long.MAX_VALUE;

    Connection(Relay relay) {
      this.relay = relay;
      openedNanos = relay.ticker.nanoTime();
      channel = EmbeddedChannel.builder().ticker(relay.ticker).build();
      channel.config().setAllocator(relay.allocator);
      HandshakeGuard guard = new HandshakeGuard(channel, SOURCE, relay.limits);
      channel
          .pipeline()
          .addLast(guard, FrameDecoder.ofControl(), FrameEncoder.INSTANCE)
          .addLast(
              new ControlHandshake(
                  PREAMBLE,
                  BINDING,
                  relay.key,
                  relay.throttle,
                  SOURCE,
                  relay.random,
                  auth -> {
                    guard.admitted();
                    new ControlHandler(channel, SOURCE, "a", "fuzz", auth, relay.registry).begin();
                  }));
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

    void bytes(byte[] bytes) {
      whole = false;
      guess(false);
      receive(bytes);
    }

    void frame(int type, byte[] payload) {
      mayBeOutOfOrder(type < 0x80);
      guess(type < 0x80);
      receive(Script.frame(type, payload));
    }

    void auth(int agent, int epoch, int labelLength, int at, int by) {
      if (challenge == null) {
        return;
      }
      Frame.Auth unproven =
          Frame.Auth.of(new byte[32], relay.agents[agent], epoch, "l".repeat(labelLength));
      Frame.Auth auth = KEY.prove(transcript(unproven), unproven);
      byte[] bytes = Script.frame(auth);
      int changed = at % bytes.length;
      mayBeOutOfOrder(by == 0 || changed >= 4);
      if (by == 0) {
        authWaits |= !sentAnything;
        proven.add(auth);
        welcomeDue = !sentAnything && (relay.known.contains(auth.instance()) || relay.mayGuess());
      } else {
        bytes[changed] ^= (byte) by;
        whole &= changed >= 4;
        guess(changed >= 4);
      }
      receive(bytes);
    }

    private void mayBeOutOfOrder(boolean known) {
      outOfOrder |= known && whole && authWaits && !relay.key.isDone();
    }

    /** What is about to be sent may be a wrong proof, or is certainly refused. */
    private void guess(boolean refused) {
      if (!secure || welcome || !channel.isOpen()) {
        return;
      }
      welcomeDue = false;
      relay.guessing.add(this);
      if (refused && !sentAnything && relay.key.isDone()) {
        refusedNanos = relay.ticker.nanoTime();
      }
    }

    /** TLS passes nothing on before its handshake is done. */
    private void receive(byte[] bytes) {
      if (secure && bytes.length > 0 && channel.isOpen()) {
        sentAnything = true;
        lastSentNanos = relay.ticker.nanoTime();
        channel.writeInbound(relay.allocator.buffer(bytes.length).writeBytes(bytes));
      }
    }

    private Transcript transcript(Frame.Auth auth) {
      return Transcript.of(PREAMBLE, BINDING, challenge, auth);
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
        peer.writeInbound(Unpooled.copiedBuffer(part));
        part.release();
      }
      for (Frame frame = peer.readInbound(); frame != null; frame = peer.readInbound()) {
        heard(frame);
      }
    }

    private void heard(Frame frame) {
      if (frame instanceof Frame.Challenge) {
        assertThat(challenge).as("the challenge before").isNull();
        assertThat(secure).as("TLS is done").isTrue();
        challenge = (Frame.Challenge) frame;
      } else if (frame instanceof Frame.Welcome) {
        assertThat(welcome).as("welcomed before").isFalse();
        assertThat(outOfOrder).as("welcomed in spite of what followed AUTH").isFalse();
        Frame.Welcome proof = (Frame.Welcome) frame;
        assertThat(proven).anyMatch(auth -> KEY.holds(transcript(auth), proof));
        proven.forEach(auth -> relay.known.add(auth.instance()));
        lastSentNanos = relay.ticker.nanoTime(); // it may have waited for the key
        welcome = true;
      } else {
        assertThat(welcome).as("welcomed before %s", frame).isTrue();
        if (frame instanceof Frame.Dial) {
          ((Frame.Dial) frame).tickets().forEach(ticket -> relay.tokens.add(ticket.token()));
        }
      }
    }

    void check() {
      channel.checkException();
      if (!channel.isOpen()) {
        return;
      }
      long now = relay.ticker.nanoTime();
      assertThat(secure || !tlsDone).as("open after TLS failed").isTrue();
      if (welcome) {
        assertThat(now - lastSentNanos).as("silence").isLessThan(MILLISECONDS.toNanos(25_000));
      } else {
        assertThat(welcomeDue && relay.key.isDone()).as("a proof not answered").isFalse();
        assertThat(now - openedNanos).as("age").isLessThan(MILLISECONDS.toNanos(10_000));
        assertThat(now - refusedNanos).as("refused").isLessThan(MILLISECONDS.toNanos(1000));
      }
    }
  }

  @FuzzTest
  void steps(byte[] input) {
    Script script = Script.of(input);
    Relay relay = new Relay();
    if (script.usual()) {
      relay.key.complete(KEY);
    }
    Connection connection = relay.connection(0);
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case CONNECTION -> connection = relay.connection(script.number() % CONNECTIONS);
        case TLS -> connection.tls(script.usual());
        case BYTES -> connection.bytes(script.bytes());
        case FRAME -> {
          int type = script.number();
          byte[] payload = script.bytes();
          connection.frame(type, payload);
        }
        case FLOOD -> {
          int kibibytes = script.number() % 20;
          for (int i = 0; i < kibibytes; i++) {
            connection.frame(0x80, new byte[1020]);
          }
        }
        case AUTH ->
            connection.auth(
                script.number() % 2,
                script.number(),
                script.number() % 65,
                script.number(),
                script.number());
        case DIAL_FAILED -> {
          int skipped = script.number() % 4;
          while (skipped-- > 0 && relay.tokens.size() > 1) {
            relay.tokens.add(relay.tokens.remove());
          }
          if (!relay.tokens.isEmpty()) {
            ByteBuf payload = Unpooled.buffer();
            relay.tokens.remove().write(payload);
            connection.frame(0x05, ByteBufUtil.getBytes(payload.writeByte(13)));
          }
        }
        case PASS -> relay.pass(script.oneOf(MILLIS));
        case END -> connection.end(script.usual());
        case KEY_IS_THERE -> relay.key.complete(KEY);
      }
      relay.run();
    }
    relay.assertNothingLeft();
  }
}
