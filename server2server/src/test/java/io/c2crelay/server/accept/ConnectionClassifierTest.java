package io.c2crelay.server.accept;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Preamble;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
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
  private static final long GRACE_MILLIS = 25;
  private static final byte[] MAGIC = ByteBufUtil.decodeHexDump("c24332430d0a1a0a");
  private static final byte[] CONTROL = bytes(Preamble.of(Preamble.Kind.CONTROL));
  private static final byte[] CLIENT_HELLO = ByteBufUtil.decodeHexDump("160301000501000001fc");

  /** What the classifier said, in order. */
  private final List<String> said = new ArrayList<>();

  private EmbeddedChannel channel;

  @BeforeEach
  void connect() {
    channel = new EmbeddedChannel();
    channel.freezeTime();
    channel
        .pipeline()
        .addLast(
            new ConnectionClassifier(
                () -> MILLISECONDS.toNanos(GRACE_MILLIS), new RecordingSink()));
    channel.pipeline().fireChannelActive();
  }

  @AfterEach
  void releaseAll() {
    channel.finishAndReleaseAll();
  }

  private final class RecordingSink implements ConnectionSink {
    @Override
    public void user(boolean silent) {
      said.add(silent ? "silent user" : "user");
    }

    @Override
    public void confirmed() {
      said.add("confirmed");
    }

    @Override
    public void notAUser() {
      said.add("not a user");
    }

    @Override
    public void magic() {
      said.add("magic");
    }

    @Override
    public void agent(Preamble preamble) {
      said.add("agent " + preamble.kind());
    }
  }

  // --- NEW ---

  @ParameterizedTest
  @ValueSource(
      strings = {"S", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n", "\u0000", "\u0016\u0003\u0001"})
  void bytesThatDoNotBeginTheMagicAreAUsersAtOnce(String text) {
    receive(text.getBytes(US_ASCII));
    assertThat(said).containsExactly("user");
    assertThat(received()).isEqualTo(text.getBytes(US_ASCII));
    assertGone();
  }

  @Test
  void silenceForTheGraceTimeIsASilentUser() {
    pass(GRACE_MILLIS - 1);
    assertThat(said).isEmpty();
    pass(1);
    assertThat(said).containsExactly("silent user");
    assertThat(channel.isOpen()).isTrue();
  }

  /** Timers of a loop that was held up run before it reads. */
  @Test
  void bytesThatCameInTimeAndAreReadAfterItAreNotASilentUsers() {
    channel.eventLoop().schedule(() -> receive(CONTROL), GRACE_MILLIS, MILLISECONDS);
    pass(GRACE_MILLIS);
    assertThat(said).containsExactly("magic", "agent CONTROL");
  }

  @Test
  void finWithoutAByteIsClosedAndTheTargetNeverTouched() {
    fin();
    assertThat(said).isEmpty();
    assertThat(channel.isOpen()).isFalse();
  }

  @Test
  void resetWithoutAByteIsClosedAndTheTargetNeverTouched() {
    channel.pipeline().fireExceptionCaught(new IOException("Connection reset"));
    pass(60_000);
    assertThat(said).isEmpty();
    assertThat(channel.isOpen()).isFalse();
  }

  // --- prefixes of the magic ---

  static IntStream properPrefixes() {
    return IntStream.range(1, MAGIC.length);
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixFollowedByAnotherByteIsAUsers(int length) {
    receive(Arrays.copyOf(MAGIC, length));
    assertThat(said).isEmpty();
    receive((byte) 'x');
    assertThat(said).containsExactly("user");
    assertThat(received()).isEqualTo(concat(Arrays.copyOf(MAGIC, length), new byte[] {'x'}));
    assertGone();
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixIsHeldForOneSecondThenAUsers(int length) {
    receive(Arrays.copyOf(MAGIC, length));
    pass(999);
    assertThat(said).isEmpty();
    pass(1);
    assertThat(said).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, length));
  }

  @Test
  void moreOfThePrefixDoesNotProlongTheSecond() {
    receive(Arrays.copyOf(MAGIC, 1));
    pass(900);
    receive(MAGIC[1]);
    pass(100);
    assertThat(said).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, 2));
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void prefixFollowedByFinIsAUsersBytesThenItsFin(int length) {
    List<Object> events = recordEvents();
    receive(Arrays.copyOf(MAGIC, length));
    fin();
    assertThat(said).containsExactly("user");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, length));
    assertThat(events).containsExactly(ChannelInputShutdownEvent.INSTANCE);
  }

  @ParameterizedTest
  @MethodSource("properPrefixes")
  void magicAfterItsPrefixIsAnAgents(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    pass(999);
    receive(Arrays.copyOfRange(CONTROL, length, CONTROL.length));
    assertThat(said).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEmpty();
    assertGone();
  }

  // --- PREAMBLE ---

  static Stream<Arguments> splits() {
    return IntStream.rangeClosed(1, CONTROL.length).mapToObj(Arguments::of);
  }

  @ParameterizedTest
  @MethodSource("splits")
  void preambleMayComeInTwoPartsWithTheClientHelloGluedToIt(int split) {
    byte[] all = concat(CONTROL, CLIENT_HELLO);
    receive(Arrays.copyOf(all, split));
    receive(Arrays.copyOfRange(all, split, all.length));
    assertThat(said).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEqualTo(CLIENT_HELLO);
    assertGone();
  }

  @Test
  void preambleMayComeByteByByte() {
    for (byte b : concat(CONTROL, CLIENT_HELLO)) {
      receive(b);
    }
    assertThat(said).containsExactly("magic", "agent CONTROL");
    assertThat(received()).isEqualTo(CLIENT_HELLO);
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 12, 15})
  void restOfThePreambleMayTakeTwoSeconds(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    pass(1999);
    assertThat(channel.isOpen()).isTrue();
    pass(1);
    assertThat(channel.isOpen()).isFalse();
    assertThat(said).containsExactly("magic");
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 15})
  void finWithinThePreambleIsClosed(int length) {
    receive(Arrays.copyOf(CONTROL, length));
    fin();
    assertThat(channel.isOpen()).isFalse();
    assertThat(said).containsExactly("magic");
  }

  static Stream<Arguments> badPreambles() {
    return Stream.of(
        Arguments.of("kind 3", with(10, 3)),
        Arguments.of("kind 255", with(10, 255)),
        Arguments.of("lowest above highest", with(8, 2)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badPreambles")
  void badPreambleIsClosed(String name, byte[] preamble) {
    receive(preamble);
    assertThat(channel.isOpen()).isFalse();
    assertThat(said).containsExactly("magic");
    assertThat(received()).isEmpty();
  }

  // --- TENTATIVE ---

  @Test
  void silentUserThatSendsBytesIsConfirmed() {
    pass(GRACE_MILLIS);
    receive("hello".getBytes(US_ASCII));
    assertThat(said).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo("hello".getBytes(US_ASCII));
    assertGone();
  }

  @Test
  void silentUserThatIsSpokenToIsConfirmedOnce() {
    pass(GRACE_MILLIS);
    write("220 ready");
    assertThat(said).containsExactly("silent user", "confirmed");
    receive("EHLO".getBytes(US_ASCII));
    assertThat(said).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo("EHLO".getBytes(US_ASCII));
    assertThat(written()).isEqualTo("220 ready");
    assertGone();
  }

  @Test
  void lateAgentCancelsTheSilentUser() {
    pass(GRACE_MILLIS);
    receive(concat(CONTROL, CLIENT_HELLO));
    assertThat(said).containsExactly("silent user", "not a user", "magic", "agent CONTROL");
    assertThat(received()).isEqualTo(CLIENT_HELLO);
  }

  @Test
  void resetWithinALateAgentsPreambleIsClosedAndSaidToNobody() {
    pass(GRACE_MILLIS);
    receive(Arrays.copyOf(CONTROL, 9));
    channel.pipeline().fireExceptionCaught(new IOException("Connection reset"));
    assertThat(said).containsExactly("silent user", "not a user", "magic");
    assertThat(channel.isOpen()).isFalse();
    channel.checkException(); // nothing reached the end of the pipeline, which would be logged
  }

  @Test
  void magicAfterSomethingWasWrittenIsReset() {
    pass(GRACE_MILLIS);
    write("220 ready");
    receive(MAGIC);
    assertThat(channel.isOpen()).isFalse();
    assertThat(said).containsExactly("silent user", "confirmed");
    assertThat(received()).isEmpty();
  }

  @Test
  void magicInPiecesAfterSomethingWasWrittenIsReset() {
    pass(GRACE_MILLIS);
    write("220 ready");
    receive(Arrays.copyOf(MAGIC, 5));
    receive(Arrays.copyOfRange(MAGIC, 5, 8));
    assertThat(channel.isOpen()).isFalse();
    assertThat(received()).isEmpty();
  }

  @Test
  void finOfASilentUserIsPassedOn() {
    pass(GRACE_MILLIS);
    List<Object> events = recordEvents();
    fin();
    assertThat(events).containsExactly(ChannelInputShutdownEvent.INSTANCE);
  }

  @Test
  void nothingIsWrittenWhileAPrefixIsHeldAndAllOfItAfterwards() {
    pass(GRACE_MILLIS);
    receive(Arrays.copyOf(MAGIC, 3));
    ChannelFuture write = write("220 ready");
    assertThat(written()).isEmpty();
    assertThat(write.isDone()).isFalse();
    pass(1000);
    assertThat(written()).isEqualTo("220 ready");
    assertThat(write.isSuccess()).isTrue();
    assertThat(said).containsExactly("silent user", "confirmed");
    assertThat(received()).isEqualTo(Arrays.copyOf(MAGIC, 3));
    assertGone();
  }

  @Test
  void heldWritesOfALateAgentAreDropped() {
    pass(GRACE_MILLIS);
    receive(Arrays.copyOf(CONTROL, 3));
    ChannelFuture write = write("220 ready");
    receive(Arrays.copyOfRange(CONTROL, 3, CONTROL.length));
    assertThat(written()).isEmpty();
    assertThat(write.isDone()).isTrue();
    assertThat(write.isSuccess()).isFalse();
    assertThat(said).containsExactly("silent user", "not a user", "magic", "agent CONTROL");
  }

  @Test
  void heldWritesCountAsUnwrittenSoThatTheirSourceStops() {
    channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(500, 1000));
    pass(GRACE_MILLIS);
    receive(Arrays.copyOf(MAGIC, 3));
    channel.write(Unpooled.wrappedBuffer(new byte[2000]));
    assertThat(channel.isWritable()).isFalse();
    pass(1000);
    assertThat(channel.isWritable()).isTrue();
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

  private ChannelFuture write(String text) {
    ChannelFuture write = channel.writeAndFlush(Unpooled.copiedBuffer(text, US_ASCII));
    channel.runPendingTasks();
    return write;
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

  private void assertGone() {
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
