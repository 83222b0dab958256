package io.c2crelay.relay.listen;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.TlsFirst;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The table of docs/protocol.md section 1: each state, each event, in frozen time. */
class ConnectionClassifierTest {
  private static final long DETECT_MILLIS = 25;
  private static final byte[] MAGIC = ByteBufUtil.decodeHexDump("c24332430d0a1a0a");
  private static final byte[] CONTROL = bytes(Preamble.of(Preamble.Kind.CONTROL));
  private static final byte[] CLIENT_HELLO = ByteBufUtil.decodeHexDump("160301000501000001fc");

  /** Calls of the router, in order. */
  private final List<String> reported = new ArrayList<>();

  private EmbeddedChannel channel;

  @BeforeEach
  void connect() {
    channel = new EmbeddedChannel();
    channel.freezeTime();
    channel
        .pipeline()
        .addLast(
            new ConnectionClassifier(
                () -> MILLISECONDS.toNanos(DETECT_MILLIS), new RecordingRouter()));
    channel.pipeline().fireChannelActive();
  }

  @AfterEach
  void releaseAll() {
    channel.finishAndReleaseAll();
  }

  private final class RecordingRouter implements ConnectionRouter {
    @Override
    public void user(boolean silent) {
      reported.add(silent ? "silent user" : "user");
    }

    @Override
    public void confirmed() {
      reported.add("confirmed");
    }

    @Override
    public void tlsFirst() {
      reported.add("tls first");
    }

    @Override
    public void invalidPreamble() {}

    @Override
    public void misclassified() {
      reported.add("misclassified");
    }

    @Override
    public void magic() {
      reported.add("magic");
    }

    @Override
    public void agent(Preamble preamble) {
      reported.add("agent " + preamble.kind());
    }
  }

  // --- NEW ---

  @ParameterizedTest
  @ValueSource(strings = {"S", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n", "\u0000", "\u0016\u0004"})
  void otherBytesAreAUser(String text) {
    receive(text.getBytes(US_ASCII));
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(text.getBytes(US_ASCII));
    assertRemoved();
  }

  @Test
  void silenceIsASilentUser() {
    pass(DETECT_MILLIS - 1);
    assertThat(reported).isEmpty();
    pass(1);
    assertThat(reported).containsExactly("silent user");
    assertThat(channel.isOpen()).isTrue();
  }

  /** A delayed loop runs its timers before it reads. */
  @Test
  void timerOfADelayedLoopReadsFirst() {
    channel.eventLoop().schedule(() -> receive(CONTROL), DETECT_MILLIS, MILLISECONDS);
    pass(DETECT_MILLIS);
    assertThat(reported).containsExactly("magic", "agent CONTROL");
  }

  @Test
  void finWithoutBytesCloses() {
    fin();
    assertThat(reported).isEmpty();
    assertThat(channel.isOpen()).isFalse();
  }

  @Test
  void resetWithoutBytesCloses() {
    channel.pipeline().fireExceptionCaught(new IOException("Connection reset"));
    pass(60_000);
    assertThat(reported).isEmpty();
    assertThat(channel.isOpen()).isFalse();
  }

  // --- prefixes of the magic ---

  static IntStream properPrefixes() {
    return IntStream.range(1, MAGIC.length);
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixThenOtherByteIsAUser(int length) {
    receive(Arrays.copyOf(MAGIC, length));
    assertThat(reported).isEmpty();
    receive((byte) 'x');
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(concat(Arrays.copyOf(MAGIC, length), new byte[] {'x'}));
    assertRemoved();
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixIsAUserAfterOneSecond(int length) {
    receive(Arrays.copyOf(MAGIC, length));
    pass(999);
    assertThat(reported).isEmpty();
    pass(1);
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, length));
  }

  @Test
  void longerPrefixDoesNotRestartTheTimer() {
    receive(Arrays.copyOf(MAGIC, 1));
    pass(900);
    receive(MAGIC[1]);
    pass(100);
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, 2));
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixThenFinIsAUser(int length) {
    List<Object> events = recordEvents();
    receive(Arrays.copyOf(MAGIC, length));
    fin();
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, length));
    assertThat(events).containsExactly(ChannelInputShutdownEvent.INSTANCE);
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixThenMagicIsAnAgent(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    pass(999);
    receive(Arrays.copyOfRange(CONTROL, length, CONTROL.length));
    assertThat(reported).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEmpty();
    assertRemoved();
  }

  // --- TLS first ---

  @Test
  void helloOfAnAgentInTwoPartsIsAnAgent() {
    byte[] hello = hello(TlsFirst.PROTOCOL);
    byte[] all = concat(hello, new byte[] {1, 2, 3});
    for (int split = 1; split < all.length; split++) {
      reported.clear();
      releaseAll();
      connect();
      receive(Arrays.copyOf(all, split));
      receive(Arrays.copyOfRange(all, split, all.length));
      assertThat(reported).as("split at " + split).containsExactly("tls first");
      assertThat(received()).isEqualTo(all);
      assertRemoved();
    }
  }

  static Stream<Arguments> hellosOfUsers() {
    byte[] longer = hello("h2", 5_000);
    byte[] truncated = hello(TlsFirst.PROTOCOL);
    truncated[44]++; // the length of the cipher suites
    byte[] alert = {21, 3, 3, 0, 2, 2, 80};
    return Stream.of(
        Arguments.of("another protocol", hello("h2")),
        Arguments.of("a longer name", hello(TlsFirst.PROTOCOL + "2")),
        Arguments.of("longer than 4096 bytes", longer),
        Arguments.of("malformed", truncated),
        Arguments.of("an alert", alert),
        Arguments.of("in two records", Arrays.copyOf(CLIENT_HELLO, 60)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("hellosOfUsers")
  void helloOfAUserIsAUserAtOnce(String name, byte[] hello) {
    receive(hello);
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(hello);
    assertRemoved();
  }

  @Test
  void helloOfAUserInPartsArrivesWhole() {
    byte[] hello = hello("http/1.1");
    for (byte b : hello) {
      receive(b);
    }
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(hello);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 9, 60})
  void incompleteHelloIsAUserAfterOneSecond(int length) {
    receive(Arrays.copyOf(hello(TlsFirst.PROTOCOL), length));
    pass(999);
    assertThat(reported).isEmpty();
    pass(1);
    assertThat(reported).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(hello(TlsFirst.PROTOCOL), length));
  }

  @Test
  void incompleteHelloThenFinIsAUser() {
    receive(Arrays.copyOf(hello(TlsFirst.PROTOCOL), 20));
    fin();
    assertThat(reported).containsExactly("user");
  }

  @Test
  void lateHelloOfAnAgentIsMisclassified() {
    pass(DETECT_MILLIS);
    receive(hello(TlsFirst.PROTOCOL));
    assertThat(reported).containsExactly("silent user", "misclassified");
    assertThat(received()).isEmpty();
  }

  private static byte[] hello(String protocol) {
    return hello(protocol, 0);
  }

  /** A ClientHello in one record, with one cipher suite, SNI of this length, and ALPN. */
  static byte[] hello(String protocol, int sni) {
    int alpn = 4 + 2 + 1 + protocol.length();
    int body = 2 + 32 + 1 + 4 + 2 + 2 + 4 + sni + alpn;
    ByteBuffer hello = ByteBuffer.allocate(5 + 4 + body);
    hello.put((byte) 22).putShort((short) 0x0301).putShort((short) (4 + body));
    hello.putInt(1 << 24 | body).putShort((short) 0x0303).put(new byte[32]);
    hello.put((byte) 0).putShort((short) 2).putShort((short) 0x1301).putShort((short) 0x0100);
    hello.putShort((short) (4 + sni + alpn)).putShort((short) 0).putShort((short) sni);
    hello.put(new byte[sni]).putShort((short) 16).putShort((short) (alpn - 4));
    hello.putShort((short) (1 + protocol.length())).put((byte) protocol.length());
    return hello.put(protocol.getBytes(US_ASCII)).array();
  }

  // --- PREAMBLE ---

  static Stream<Arguments> splits() {
    return IntStream.rangeClosed(1, CONTROL.length).mapToObj(Arguments::of);
  }

  @ParameterizedTest
  @MethodSource("splits")
  void preambleInTwoPartsBeforeAClientHello(int split) {
    byte[] all = concat(CONTROL, CLIENT_HELLO);
    receive(Arrays.copyOf(all, split));
    receive(Arrays.copyOfRange(all, split, all.length));
    assertThat(reported).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEqualTo(CLIENT_HELLO);
    assertRemoved();
  }

  @Test
  void preambleByteByByte() {
    for (byte b : concat(CONTROL, CLIENT_HELLO)) {
      receive(b);
    }
    assertThat(reported).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEqualTo(CLIENT_HELLO);
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 12, 15})
  void incompletePreambleClosesAfterTwoSeconds(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    pass(1999);
    assertThat(channel.isOpen()).isTrue();
    pass(1);
    assertThat(channel.isOpen()).isFalse();
    assertThat(reported).containsExactly("magic");
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 15})
  void finInThePreambleCloses(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    fin();
    assertThat(channel.isOpen()).isFalse();
    assertThat(reported).containsExactly("magic");
  }

  static Stream<Arguments> badPreambles() {
    return Stream.of(
        Arguments.of("kind 3", with(10, 3)),
        Arguments.of("kind 255", with(10, 255)),
        Arguments.of("lowest above highest", with(8, 2)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badPreambles")
  void badPreambleCloses(String name, byte[] preamble) {
    receive(preamble);
    assertThat(channel.isOpen()).isFalse();
    assertThat(reported).containsExactly("magic");
    assertThat(received()).isEmpty();
  }

  // --- silent users ---

  @Test
  void bytesConfirmASilentUser() {
    pass(DETECT_MILLIS);
    receive("hello".getBytes(US_ASCII));
    assertThat(reported).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo("hello".getBytes(US_ASCII));
    assertRemoved();
  }

  @Test
  void aWriteConfirmsASilentUserOnce() {
    pass(DETECT_MILLIS);
    write("220 ready");
    assertThat(reported).containsExactly("silent user", "confirmed");
    receive("EHLO".getBytes(US_ASCII));
    assertThat(reported).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo("EHLO".getBytes(US_ASCII));
    assertThat(written()).isEqualTo("220 ready");
    assertRemoved();
  }

  @Test
  void lateMagicIsMisclassified() {
    pass(DETECT_MILLIS);
    receive(concat(CONTROL, CLIENT_HELLO));
    assertThat(reported).containsExactly("silent user", "misclassified");
    assertThat(received()).isEmpty();
  }

  @Test
  void lateMagicAfterAWriteIsMisclassified() {
    pass(DETECT_MILLIS);
    write("220 ready");
    receive(MAGIC);
    assertThat(reported).containsExactly("silent user", "confirmed", "misclassified");
    assertThat(received()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void latePrefixIsAUsersBytes(int length) {
    pass(DETECT_MILLIS);
    receive(Arrays.copyOf(MAGIC, length));
    assertThat(reported).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, length));
    assertRemoved();
  }

  @Test
  void finOfASilentUserIsPassedOn() {
    pass(DETECT_MILLIS);
    List<Object> events = recordEvents();
    fin();
    assertThat(events).containsExactly(ChannelInputShutdownEvent.INSTANCE);
  }

  // --- helpers ---

  private void receive(byte... bytes) {
    channel.writeInbound(Unpooled.wrappedBuffer(bytes));
  }

  private void fin() {
    channel.pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
  }

  private void pass(long millis) {
    channel.advanceTimeBy(millis, MILLISECONDS);
    channel.runScheduledPendingTasks();
    channel.runPendingTasks();
  }

  private void write(String text) {
    channel.writeAndFlush(Unpooled.copiedBuffer(text, US_ASCII));
    channel.runPendingTasks();
  }

  private byte[] received() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (ByteBuf bytes = channel.readInbound(); bytes != null; bytes = channel.readInbound()) {
      all.writeBytes(ByteBufUtil.getBytes(bytes));
      bytes.release();
    }
    return all.toByteArray();
  }

  private String written() {
    StringBuilder all = new StringBuilder();
    for (ByteBuf bytes = channel.readOutbound(); bytes != null; bytes = channel.readOutbound()) {
      all.append(bytes.toString(US_ASCII));
      bytes.release();
    }
    return all.toString();
  }

  private List<Object> recordEvents() {
    List<Object> events = new ArrayList<>();
    channel
        .pipeline()
        .addLast(
            new ChannelInboundHandlerAdapter() {
              @Override
              public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
                events.add(event);
              }
            });
    return events;
  }

  private void assertRemoved() {
    assertThat(channel.pipeline().get(ConnectionClassifier.class)).isNull();
  }

  private static byte[] bytes(Preamble preamble) {
    return preamble.toBytes();
  }

  private static byte[] with(int index, int value) {
    byte[] preamble = CONTROL.clone();
    preamble[index] = (byte) value;
    return preamble;
  }

  private static byte[] concat(byte[] first, byte[] second) {
    byte[] all = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, all, first.length, second.length);
    return all;
  }
}
