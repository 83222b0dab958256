package io.c2crelay.relay.agents;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.testing.Script;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.auth.Authenticator;
import io.c2crelay.relay.auth.HandshakeGuard;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.auth.KeyRings;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.DispatcherSettings;
import io.c2crelay.relay.session.Dispatchers;
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
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLException;

/**
 * Control connections from one address that send arbitrary input after the TLS handshake. Exactly
 * those with a valid proof are authenticated; the others are closed in time.
 *
 * <p>An input is one byte, even if the key is derived from the beginning, then a sequence of steps:
 * one byte each, followed by the step's arguments.
 */
class ControlHandshakeFuzzTest {
  private static final MutualAuth KEY = SharedKey.of("the key").deriveKey().join();
  private static final RelayEvents EVENTS = new RelayEvents();
  private static final byte[] BINDING = new byte[32];
  private static final Preamble PREAMBLE = Preamble.of(Preamble.Kind.CONTROL);
  private static final ClientAddress CLIENT =
      ClientAddress.of(
          new InetSocketAddress("203.0.113.9", 1), new InetSocketAddress("192.0.2.1", 4000));
  private static final MutualAuth OTHER_KEY = SharedKey.of("other").deriveKey().join();

  private static final int CONNECTIONS = 4;
  private static final int THROTTLE_BURST = 5;

  /** Each connection buffers at most its longest frame. */
  private static final int MAX_BUFFERED = CONNECTIONS * 8 * 1024;

  private static final int[] MILLIS = {1, 500, 999, 1000, 3000, 9999, 10_000, 15_000, 25_000};

  private enum Step {
    /** The connection that the next steps use; it is opened if it is not open. */
    CONNECTION,
    /** The TLS handshake succeeds (even) or fails. */
    TLS,
    /** Length, bytes. */
    BYTES,
    /** Type, length, that many bytes. */
    FRAME,
    /** KiB of frames of an unknown type that is skipped. */
    FLOOD,
    /** Agent, epoch, label length, index of the frame byte to change, XOR mask. */
    AUTH,
    /** An index of the received tokens. */
    DIAL_FAILED,
    /** An index of {@link #MILLIS}. */
    ADVANCE,
    /** FIN (even) or reset. */
    CLOSE,
    KEY_DERIVED
  }

  private static final class Relay {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final EmbeddedChannel dispatcherLoop = EmbeddedChannel.builder().ticker(ticker).build();
    final SecureRandom random = new SecureRandom();
    final AgentAddresses addresses = new AgentAddresses();
    final Dispatchers dispatchers =
        new Dispatchers(
            dispatcherLoop.eventLoop(),
            DispatcherSettings.of(2, Duration.ofSeconds(15), 100),
            BufferBudget.ofBytes(1 << 20),
            addresses,
            random,
            EVENTS);
    final ConnectionLimit<HandshakeGuard> limits = HandshakeGuard.newLimit();
    final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
    final KeyRing keys = KeyRings.of(List.of(CompletableFuture.completedFuture(OTHER_KEY), key));
    final Authenticator authenticator =
        new Authenticator(BINDING, Map.of(ServiceName.DEFAULT, keys), random, EVENTS);
    final AgentRegistry registry =
        new AgentRegistry(
            dispatcherLoop.eventLoop(),
            keys,
            dispatchers.create(ServiceName.DEFAULT),
            addresses,
            EVENTS);
    final InstanceId[] agents = {InstanceId.random(random), InstanceId.random(random)};
    final Set<InstanceId> authenticated = new HashSet<>();
    final Set<Connection> possibleFailures = new HashSet<>();
    final Connection[] connections = new Connection[CONNECTIONS];
    final List<Connection> all = new ArrayList<>();
    final Deque<Token> tokens = new ArrayDeque<>();

    /** Each connection can send one wrong proof. */
    boolean mayThrottle(InstanceId agent) {
      return !authenticated.contains(agent) && possibleFailures.size() >= THROTTLE_BURST;
    }

    Connection connection(int index) {
      if (connections[index] == null || !connections[index].channel.isOpen()) {
        connections[index] = new Connection(this);
        all.add(connections[index]);
      }
      return connections[index];
    }

    void advance(long millis) {
      ticker.advance(millis, MILLISECONDS);
      run();
    }

    void run() {
      for (int i = 0; i < 3; i++) { // to the dispatcher and back
        all.forEach(Connection::run);
        dispatcherLoop.runScheduledPendingTasks();
        dispatcherLoop.runPendingTasks();
      }
      all.forEach(Connection::check);
      all.removeIf(connection -> !connection.channel.isOpen());
      assertThat(allocator.metric().usedHeapMemory()).as("bytes buffered").isLessThan(MAX_BUFFERED);
    }

    void assertNothingLeft() {
      all.forEach(connection -> connection.channel.close());
      run();
      advance(60_000);
      assertThat(dispatchers.stats())
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
    final long openedAtNanos;
    final List<Frame.Auth> validAuths = new ArrayList<>();
    Frame.Challenge challenge;
    boolean tlsDone;
    boolean tlsSucceeded;
    boolean welcomed;

    /** One valid AUTH of an agent that is not throttled was sent, and nothing else. */
    boolean welcomeDue;

    boolean sentAnything;
    long lastActivityNanos;

    /** An AUTH waits for the key; a frame between it and WELCOME is out of order. */
    boolean authPending;

    boolean outOfOrder;

    /** Only complete frames were sent, so the decoder is at a frame boundary. */
    boolean frameAligned = true;

    /** When an input was sent that is certain to be refused. */
    long refusedAtNanos = Long.MAX_VALUE;

    Connection(Relay relay) {
      this.relay = relay;
      openedAtNanos = relay.ticker.nanoTime();
      channel = EmbeddedChannel.builder().ticker(relay.ticker).build();
      channel.config().setAllocator(relay.allocator);
      HandshakeGuard guard = new HandshakeGuard(channel, CLIENT, relay.limits, EVENTS);
      channel
          .pipeline()
          .addLast(guard, FrameDecoder.ofControl(), FrameEncoder.INSTANCE)
          .addLast(
              relay.authenticator.newHandshake(
                  PREAMBLE,
                  CLIENT,
                  (auth, key) -> {
                    guard.admitted();
                    new ControlHandler(channel, CLIENT, "a", auth, key, relay.registry, EVENTS)
                        .begin();
                  }));
    }

    void tls(boolean success) {
      if (!tlsDone && channel.isOpen()) {
        tlsDone = true;
        tlsSucceeded = success;
        channel
            .pipeline()
            .fireUserEventTriggered(
                success
                    ? SslHandshakeCompletionEvent.SUCCESS
                    : new SslHandshakeCompletionEvent(new SSLException("failed")));
      }
    }

    void bytes(byte[] bytes) {
      frameAligned = false;
      recordPossibleFailure(false);
      receive(bytes);
    }

    void frame(int type, byte[] payload) {
      checkOrder(type < 0x80);
      recordPossibleFailure(type < 0x80);
      receive(Script.frame(type, payload));
    }

    void auth(int agent, int epoch, int labelLength, int at, int by) {
      if (challenge == null) {
        return;
      }
      Frame.Auth withoutProof =
          Frame.Auth.of(
              new byte[32],
              relay.agents[agent],
              epoch,
              ServiceName.DEFAULT,
              "l".repeat(labelLength));
      Frame.Auth auth = KEY.prove(transcript(withoutProof), withoutProof);
      byte[] bytes = Script.frame(auth);
      int changed = at % bytes.length;
      checkOrder(by == 0 || changed >= 4);
      if (by == 0) {
        authPending |= !sentAnything;
        validAuths.add(auth);
        welcomeDue = !sentAnything && !relay.mayThrottle(auth.instance());
      } else {
        bytes[changed] ^= (byte) by;
        frameAligned &= changed >= 4;
        recordPossibleFailure(changed >= 4);
      }
      receive(bytes);
    }

    private void checkOrder(boolean knownType) {
      outOfOrder |= knownType && frameAligned && authPending && !relay.key.isDone();
    }

    /** The next input may be a wrong proof; {@code certain} if it is refused in any case. */
    private void recordPossibleFailure(boolean certain) {
      if (!tlsSucceeded || welcomed || !channel.isOpen()) {
        return;
      }
      welcomeDue = false;
      relay.possibleFailures.add(this);
      if (certain && !sentAnything && relay.key.isDone()) {
        refusedAtNanos = relay.ticker.nanoTime();
      }
    }

    private void receive(byte[] bytes) {
      if (tlsSucceeded && bytes.length > 0 && channel.isOpen()) {
        sentAnything = true;
        lastActivityNanos = relay.ticker.nanoTime();
        channel.writeInbound(relay.allocator.buffer(bytes.length).writeBytes(bytes));
      }
    }

    private Transcript transcript(Frame.Auth auth) {
      return Transcript.of(PREAMBLE, BINDING, challenge, auth);
    }

    void close(boolean graceful) {
      if (!graceful && channel.isOpen()) {
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
        received(frame);
      }
    }

    private void received(Frame frame) {
      if (frame instanceof Frame.Challenge) {
        assertThat(challenge).as("previous challenge").isNull();
        assertThat(tlsSucceeded).as("TLS established before CHALLENGE").isTrue();
        challenge = (Frame.Challenge) frame;
      } else if (frame instanceof Frame.Welcome) {
        assertThat(welcomed).as("previous WELCOME").isFalse();
        assertThat(outOfOrder).as("frame between AUTH and WELCOME").isFalse();
        Frame.Welcome proof = (Frame.Welcome) frame;
        assertThat(validAuths).anyMatch(auth -> KEY.verify(transcript(auth), proof));
        validAuths.forEach(auth -> relay.authenticated.add(auth.instance()));
        lastActivityNanos = relay.ticker.nanoTime(); // WELCOME may have waited for the key
        welcomed = true;
      } else {
        assertThat(welcomed).as("WELCOME before %s", frame).isTrue();
        if (frame instanceof Frame.Dial) {
          ((Frame.Dial) frame)
              .dialRequests()
              .forEach(dialRequest -> relay.tokens.add(dialRequest.token()));
        }
      }
    }

    void check() {
      channel.checkException();
      if (!channel.isOpen()) {
        return;
      }
      long now = relay.ticker.nanoTime();
      assertThat(tlsSucceeded || !tlsDone).as("open after TLS failed").isTrue();
      if (welcomed) {
        assertThat(now - lastActivityNanos).as("silence").isLessThan(MILLISECONDS.toNanos(25_000));
      } else {
        assertThat(welcomeDue && relay.key.isDone()).as("valid proof without WELCOME").isFalse();
        assertThat(now - openedAtNanos).as("age").isLessThan(MILLISECONDS.toNanos(10_000));
        assertThat(now - refusedAtNanos).as("refused").isLessThan(MILLISECONDS.toNanos(1000));
      }
    }
  }

  @FuzzTest
  void steps(byte[] input) {
    Script script = Script.of(input);
    Relay relay = new Relay();
    if (script.isEven()) {
      relay.key.complete(KEY);
    }
    Connection connection = relay.connection(0);
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case CONNECTION -> connection = relay.connection(script.unsignedByte() % CONNECTIONS);
        case TLS -> connection.tls(script.isEven());
        case BYTES -> connection.bytes(script.bytes());
        case FRAME -> {
          int type = script.unsignedByte();
          byte[] payload = script.bytes();
          connection.frame(type, payload);
        }
        case FLOOD -> {
          int kibibytes = script.unsignedByte() % 20;
          for (int i = 0; i < kibibytes; i++) {
            connection.frame(0x80, new byte[1020]);
          }
        }
        case AUTH ->
            connection.auth(
                script.unsignedByte() % 2,
                script.unsignedByte(),
                script.unsignedByte() % 65,
                script.unsignedByte(),
                script.unsignedByte());
        case DIAL_FAILED -> {
          int skipped = script.unsignedByte() % 4;
          while (skipped-- > 0 && relay.tokens.size() > 1) {
            relay.tokens.add(relay.tokens.remove());
          }
          if (!relay.tokens.isEmpty()) {
            ByteBuf payload = Unpooled.buffer();
            relay.tokens.remove().write(payload);
            connection.frame(0x05, ByteBufUtil.getBytes(payload.writeByte(13)));
          }
        }
        case ADVANCE -> relay.advance(script.oneOf(MILLIS));
        case CLOSE -> connection.close(script.isEven());
        case KEY_DERIVED -> relay.key.complete(KEY);
      }
      relay.run();
    }
    relay.assertNothingLeft();
  }
}
