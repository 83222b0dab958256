package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.c2crelay.common.protocol.FrameType.ConnectionKind;
import io.c2crelay.common.protocol.GoldenFrames.Golden;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FrameDecoderTest {
  private static final String PING = "06 000008 0102030405060708";

  private final List<EmbeddedChannel> channels = new ArrayList<>();

  @AfterEach
  void close() {
    for (EmbeddedChannel channel : channels) {
      assertThat(channel.finishAndReleaseAll()).as("unread frames").isFalse();
    }
  }

  private EmbeddedChannel decoder(ConnectionKind kind) {
    EmbeddedChannel channel =
        new EmbeddedChannel(
            kind == ConnectionKind.CONTROL ? FrameDecoder.ofControl() : FrameDecoder.ofData());
    channels.add(channel);
    return channel;
  }

  // --- golden bytes ---

  @ParameterizedTest
  @MethodSource("io.c2crelay.common.protocol.GoldenFrames#all")
  void readsGoldenFramesOnTheirConnection(Golden golden) {
    for (ConnectionKind kind : List.of(ConnectionKind.CONTROL, ConnectionKind.DATA)) {
      EmbeddedChannel channel = decoder(kind);
      ByteBuf bytes = Hex.bytes(golden.hex());
      if (golden.kind() == ConnectionKind.BOTH || golden.kind() == kind) {
        channel.writeInbound(bytes);
        assertThat(read(channel)).as("on %s", kind).isEqualTo(golden.hex());
      } else {
        assertThatThrownBy(() -> channel.writeInbound(bytes))
            .as("on %s", kind)
            .isInstanceOf(ProtocolException.class)
            .hasMessage("unexpected frame type 0x%x", golden.type().code());
      }
      assertThat(bytes.refCnt()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("io.c2crelay.common.protocol.GoldenFrames#all")
  void frameMayBeSplitAnywhere(Golden golden) {
    ConnectionKind kind =
        golden.kind() == ConnectionKind.BOTH ? ConnectionKind.DATA : golden.kind();
    byte[] bytes = Hex.array(golden.hex());
    for (int at = 1; at < bytes.length; at++) {
      EmbeddedChannel channel = decoder(kind);
      channel.writeInbound(Unpooled.copiedBuffer(bytes, 0, at));
      assertThat(channel.inboundMessages()).as("after %d bytes", at).isEmpty();
      channel.writeInbound(Unpooled.copiedBuffer(bytes, at, bytes.length - at));
      assertThat(read(channel)).as("split at %d", at).isEqualTo(golden.hex());
    }
    EmbeddedChannel channel = decoder(kind);
    for (byte one : bytes) {
      channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {one}));
    }
    assertThat(read(channel)).as("byte by byte").isEqualTo(golden.hex());
  }

  @ParameterizedTest
  @EnumSource(
      value = ConnectionKind.class,
      names = {"CONTROL", "DATA"})
  void readsConcatenatedFrames(ConnectionKind kind) {
    StringBuilder all = new StringBuilder();
    List<Golden> golden =
        GoldenFrames.all()
            .filter(g -> g.kind() == ConnectionKind.BOTH || g.kind() == kind)
            .toList();
    golden.forEach(g -> all.append(g.hex()));
    EmbeddedChannel channel = decoder(kind);
    channel.writeInbound(Hex.bytes(all.toString()));
    for (Golden expected : golden) {
      assertThat(read(channel)).as(expected.name()).isEqualTo(expected.hex());
    }
  }

  @Test
  void retainedDataKeepsItsBytes() {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    channel.writeInbound(Hex.bytes("15 000002 aabb 15 000001 cc 15 000004 dd"));
    Frame.Data first = channel.readInbound();
    Frame.Data second = channel.readInbound();
    channel.writeInbound(Hex.bytes("eeff00"));
    Frame.Data third = channel.readInbound();
    assertThat(first.payloadLength()).isEqualTo(2);
    assertThat(Hex.take(second.content())).isEqualTo("cc");
    assertThat(Hex.take(first.content())).isEqualTo("aabb");
    assertThat(Hex.take(third.content())).isEqualTo("ddeeff00");
    assertThat(first.refCnt() + second.refCnt() + third.refCnt()).isZero();
  }

  // --- sizes ---

  static Stream<Arguments> sizes() {
    return Stream.of(
        size(ConnectionKind.CONTROL, 0x01, 33, 33),
        size(ConnectionKind.CONTROL, 0x03, 33, 33),
        size(ConnectionKind.CONTROL, 0x05, 17, 17),
        size(ConnectionKind.CONTROL, 0x06, 8, 8),
        size(ConnectionKind.CONTROL, 0x07, 8, 8),
        size(ConnectionKind.CONTROL, 0x08, 1, 1),
        size(ConnectionKind.DATA, 0x06, 8, 8),
        size(ConnectionKind.DATA, 0x07, 8, 8),
        size(ConnectionKind.DATA, 0x10, 16, 16),
        size(ConnectionKind.DATA, 0x11, 16, 16),
        size(ConnectionKind.DATA, 0x13, 0, 0),
        size(ConnectionKind.DATA, 0x14, 1, 1),
        size(ConnectionKind.DATA, 0x15, 0, 16380),
        size(ConnectionKind.DATA, 0x16, 0, 0),
        size(ConnectionKind.DATA, 0x17, 1, 1),
        size(ConnectionKind.DATA, 0x18, 8, 8));
  }

  private static Arguments size(ConnectionKind kind, int code, int min, int max) {
    return Arguments.of(kind, code, min, max);
  }

  @ParameterizedTest(name = "{0} 0x{1}: {2} to {3}")
  @MethodSource("sizes")
  void payloadLengthIsBounded(ConnectionKind kind, int code, int min, int max) {
    for (int length : new int[] {min, max}) {
      EmbeddedChannel channel = decoder(kind);
      channel.writeInbound(frame(code, length));
      Frame frame = channel.readInbound();
      assertThat(frame.payloadLength()).isEqualTo(length);
      assertThat(frame.type().code()).isEqualTo(code);
      ReferenceCountUtil.release(frame);
    }
    for (int length : new int[] {min - 1, max + 1}) {
      if (length >= 0) {
        assertHeaderRejected(kind, code, length);
      }
    }
  }

  @Test
  void startLengthIsFixed() {
    assertHeaderRejected(ConnectionKind.DATA, 0x12, 45);
    assertHeaderRejected(ConnectionKind.DATA, 0x12, 47);
  }

  @ParameterizedTest
  @CsvSource({"89, false", "90, true", "154, true", "666, true", "729, true", "730, false"})
  void authLengthIsBounded(int length, boolean allowed) {
    if (!allowed) {
      assertHeaderRejected(ConnectionKind.CONTROL, 0x02, length);
      return;
    }
    EmbeddedChannel channel = decoder(ConnectionKind.CONTROL);
    ByteBuf bytes = frame(0x02, length);
    int label = Math.min(64, length - 90);
    int service = Math.max(0, length - 90 - 64 - 512);
    bytes.setByte(4 + 56, service);
    bytes.setCharSequence(4 + 57, "s".repeat(service), StandardCharsets.US_ASCII);
    bytes.setByte(4 + 57 + service, label);
    channel.writeInbound(bytes);
    Frame.Auth auth = channel.readInbound();
    assertThat(auth.label()).hasSize(label);
    assertThat(auth.service().toString()).hasSize(service == 0 ? 7 : service);
  }

  @ParameterizedTest
  @CsvSource({"90, 1", "91, 2", "154, 65", "154, 255", "161, 65"})
  void authLabelMustFitPayload(int length, int declared) {
    EmbeddedChannel channel = decoder(ConnectionKind.CONTROL);
    ByteBuf bytes = frame(0x02, length);
    bytes.setByte(4 + 57, declared);
    assertRejected(channel, bytes, "AUTH: invalid length");
  }

  @ParameterizedTest
  @CsvSource({"600, 64, a", "600, 255, a", "100, 63, a", "100, 1, A", "100, 1, _", "100, 1, é"})
  void authServiceNameIsValid(int length, int declared, String character) {
    ByteBuf bytes = frame(0x02, length);
    bytes.setByte(4 + 56, declared);
    bytes.setCharSequence(4 + 57, character.repeat(declared), StandardCharsets.ISO_8859_1);
    assertRejected(decoder(ConnectionKind.CONTROL), bytes, "AUTH: invalid service name");
  }

  @Test
  void authFieldsAreBounded() {
    ByteBuf bytes = frame(0x02, 90 + 513);
    assertRejected(decoder(ConnectionKind.CONTROL), bytes, "AUTH: invalid length");
  }

  /** A field is type, length, value. Unknown types are skipped. */
  @ParameterizedTest
  @CsvSource({
    "'', ",
    "7f00, ",
    "7f02aaaa, ",
    "0101aa, aa",
    "7f000101aa, aa",
    "0101aa0101bb, bb",
    "0100, ''"
  })
  void readsTypedFieldsOfAuth(String fields, String digest) {
    EmbeddedChannel channel = decoder(ConnectionKind.CONTROL);
    channel.writeInbound(authWith(fields));
    byte[] found = channel.<Frame.Auth>readInbound().targetDigest();
    assertThat(found == null ? null : ByteBufUtil.hexDump(found)).isEqualTo(digest);
  }

  @ParameterizedTest
  @ValueSource(strings = {"01", "0101", "0102aa", "7f00ff", "01ff00"})
  void authFieldMustFitPayload(String fields) {
    assertRejected(
        decoder(ConnectionKind.CONTROL), authWith(fields), "AUTH: a field exceeds the payload");
  }

  private static ByteBuf authWith(String fields) {
    byte[] bytes = ByteBufUtil.decodeHexDump(fields);
    ByteBuf frame = frame(0x02, 90 + bytes.length);
    frame.setBytes(4 + 58, bytes);
    return frame;
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "31, 0", "32, 1", "33, 0", "64, 2", "4064, 127", "4096, 128", "4097, 0"})
  void dialHasWholeRequests(int length, int dialRequests) {
    EmbeddedChannel channel = decoder(ConnectionKind.CONTROL);
    ByteBuf bytes = frame(0x04, length);
    if (dialRequests == 0) {
      assertThatThrownBy(() -> channel.writeInbound(bytes)).isInstanceOf(ProtocolException.class);
    } else {
      channel.writeInbound(bytes);
      assertThat(channel.<Frame.Dial>readInbound().dialRequests()).hasSize(dialRequests);
    }
    assertThat(bytes.refCnt()).isZero();
  }

  @Test
  void limitsMatchProtocol() {
    assertThat(RelayProtocol.MAX_CONTROL_PAYLOAD).isEqualTo(4096);
    assertThat(RelayProtocol.MAX_DATA_PAYLOAD).isEqualTo(16380);
    assertThat(RelayProtocol.MAX_EARLY_BYTES).isEqualTo(65536);
    assertThat(RelayProtocol.MAX_DIALS_PER_FRAME).isEqualTo(128);
    assertThat(RelayProtocol.LOWEST_VERSION).isEqualTo(1);
    assertThat(RelayProtocol.HIGHEST_VERSION).isEqualTo(1);
  }

  /** The frame is rejected before its payload arrives. */
  private void assertHeaderRejected(ConnectionKind kind, int code, int length) {
    EmbeddedChannel channel = decoder(kind);
    assertThatThrownBy(() -> channel.writeInbound(header(code, length)))
        .as("0x%x of %d", code, length)
        .isInstanceOf(ProtocolException.class)
        .hasMessageEndingWith(" " + length + " bytes");
  }

  // --- unknown types ---

  @ParameterizedTest
  @ValueSource(ints = {0x00, 0x09, 0x0f, 0x19, 0x1a, 0x7f})
  void unknownTypeBelow0x80IsRejected(int code) {
    for (ConnectionKind kind : List.of(ConnectionKind.CONTROL, ConnectionKind.DATA)) {
      assertRejected(
          decoder(kind), header(code, 0), "unexpected frame type 0x" + Integer.toHexString(code));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0x80, 0x86, 0x95, 0xc0, 0xff})
  void unknownTypeFrom0x80IsSkipped(int code) {
    for (ConnectionKind kind : List.of(ConnectionKind.CONTROL, ConnectionKind.DATA)) {
      for (int length : new int[] {0, 1, 100, max(kind)}) {
        EmbeddedChannel channel = decoder(kind);
        channel.writeInbound(
            Unpooled.wrappedBuffer(frame(code, length), Hex.bytes(PING), frame(code, length)));
        assertThat(read(channel)).isEqualTo(Hex.plain(PING));
        assertThat(channel.inboundMessages()).isEmpty();
      }
    }
  }

  @Test
  void skippedFrameMayBeSplitAnywhere() {
    byte[] bytes = Hex.array("ff 000006 06000008 0102" + PING);
    for (int at = 1; at < bytes.length; at++) {
      EmbeddedChannel channel = decoder(ConnectionKind.CONTROL);
      channel.writeInbound(Unpooled.copiedBuffer(bytes, 0, at));
      channel.writeInbound(Unpooled.copiedBuffer(bytes, at, bytes.length - at));
      assertThat(read(channel)).as("split at %d", at).isEqualTo(Hex.plain(PING));
    }
  }

  @Test
  void skippedFrameIsNotBuffered() {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    channel.writeInbound(header(0xff, 16380));
    for (int i = 0; i < 163; i++) {
      ByteBuf part = Unpooled.buffer().writeZero(100);
      channel.writeInbound(part);
      assertThat(part.refCnt()).isZero();
    }
    channel.writeInbound(Unpooled.buffer().writeZero(80));
    channel.writeInbound(Hex.bytes(PING));
    assertThat(read(channel)).isEqualTo(Hex.plain(PING));
  }

  @ParameterizedTest
  @CsvSource({"CONTROL, 4097", "CONTROL, 16380", "DATA, 16381", "DATA, 16777215"})
  void skippableFrameLengthIsBounded(ConnectionKind kind, int length) {
    assertHeaderRejected(kind, 0x80, length);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 5, 255})
  void startRejectsUnknownAddressFamily(int family) {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    for (int at : new int[] {8, 8 + 19}) {
      ByteBuf bytes = frame(0x12, 46);
      bytes.setByte(4 + 8, 4).setByte(4 + 8 + 19, 6);
      bytes.setByte(4 + at, family);
      assertRejected(
          decoder(ConnectionKind.DATA), bytes, "START: unknown address family " + family);
    }
    assertThat(channel.isOpen()).isTrue();
  }

  @Test
  void startReadsMappedAddressAsIpv4() {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    String mapped = "06 00000000000000000000ffffc0000207 0016";
    channel.writeInbound(Hex.bytes("12 00002e 0000000000000001" + mapped + mapped));
    Frame.Start start = channel.readInbound();
    assertThat(start.user()).isEqualTo(GoldenFrames.endpoint("c0000207", 22));
    assertThat(start.connectedTo()).isEqualTo(start.user());
    EmbeddedChannel encoder = new EmbeddedChannel(FrameEncoder.INSTANCE);
    channels.add(encoder);
    encoder.writeOutbound(start);
    String ipv4 = "04 c0000207 000000000000000000000000 0016";
    assertThat(Hex.take(encoder.readOutbound()))
        .isEqualTo(Hex.plain("12 00002e 0000000000000001" + ipv4 + ipv4));
  }

  // --- end of input ---

  @ParameterizedTest
  @ValueSource(
      strings = {
        "06",
        "06 000008",
        "06 000008 01020304050607",
        "15 000002 aa",
        "ff 000002",
        "ff 000002 aa",
        "06 000008 0102030405060708 06"
      })
  void endWithinFrameIsRejected(String hex) {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    channel.writeInbound(Hex.bytes(hex));
    channel.releaseInbound();
    assertThatThrownBy(channel::finish)
        .isInstanceOf(ProtocolException.class)
        .hasMessage("connection closed within a frame");
    assertThat(channel.inboundMessages()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "06 000008 0102030405060708", "15 000001 aa", "ff 000000", "ff 000001 aa"})
  void endBetweenFramesIsAccepted(String hex) {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    channel.writeInbound(Hex.bytes(hex));
    channel.releaseInbound();
    assertThatCode(channel::finish).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(strings = {"00 000000", "15 ffffff", "13 000001", "04 000021", "12 00002e"})
  void inputAfterFailureIsDiscarded(String hex) {
    boolean control = hex.startsWith("04");
    EmbeddedChannel channel = decoder(control ? ConnectionKind.CONTROL : ConnectionKind.DATA);
    ByteBuf bad = Unpooled.buffer().writeBytes(Hex.array(hex));
    bad.writeZero(46).writeBytes(Hex.array(PING));
    assertThatThrownBy(() -> channel.writeInbound(bad)).isInstanceOf(ProtocolException.class);
    assertThat(bad.refCnt()).isZero();
    ByteBuf more = Hex.bytes(PING);
    channel.writeInbound(more);
    assertThat(more.refCnt()).isZero();
    assertThat(channel.inboundMessages()).isEmpty();
    assertThatCode(channel::finish).doesNotThrowAnyException();
  }

  @Test
  void framesBeforeFailureAreDelivered() {
    EmbeddedChannel channel = decoder(ConnectionKind.DATA);
    assertThatThrownBy(() -> channel.writeInbound(Hex.bytes(PING + "00 000000" + PING)))
        .isInstanceOf(ProtocolException.class);
    assertThat(read(channel)).isEqualTo(Hex.plain(PING));
    assertThat(channel.inboundMessages()).isEmpty();
  }

  @Test
  void exceptionHasNoStackTraceOrPayload() {
    assertThatThrownBy(
            () -> decoder(ConnectionKind.DATA).writeInbound(Hex.bytes("10 000011 5ec7e7")))
        .hasMessage("CLAIM: invalid payload of 17 bytes")
        .satisfies(e -> assertThat(e.getStackTrace()).isEmpty());
  }

  // --- helpers ---

  private void assertRejected(EmbeddedChannel channel, ByteBuf bytes, String message) {
    assertThatThrownBy(() -> channel.writeInbound(bytes))
        .isInstanceOf(ProtocolException.class)
        .hasMessage(message);
    assertThat(bytes.refCnt()).isZero();
  }

  private static int max(ConnectionKind kind) {
    return kind == ConnectionKind.CONTROL ? 4096 : 16380;
  }

  private static ByteBuf header(int code, int length) {
    return Unpooled.buffer().writeByte(code).writeMedium(length);
  }

  /** Creates a frame with a payload of zeros. */
  private static ByteBuf frame(int code, int length) {
    return header(code, length).writeZero(length);
  }

  /** Returns the next decoded frame, encoded again. */
  private static String read(EmbeddedChannel channel) {
    Frame frame = channel.readInbound();
    assertThat(frame).as("a frame").isNotNull();
    ByteBuf out = Unpooled.buffer();
    out.writeByte(frame.type().code()).writeMedium(frame.payloadLength());
    frame.writePayload(out);
    ReferenceCountUtil.release(frame);
    return Hex.take(out);
  }
}
