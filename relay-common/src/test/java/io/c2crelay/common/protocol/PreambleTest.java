package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Preamble.Kind;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.ProtocolDetectionState;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PreambleTest {
  private static final byte[] MAGIC = Hex.array("c2433243 0d0a1a0a");

  @ParameterizedTest
  @CsvSource({
    "CONTROL, c24332430d0a1a0a 01 01 00 00 00000000",
    "DATA, c24332430d0a1a0a 01 01 01 00 00000000",
    "PLAIN_DATA, c24332430d0a1a0a 01 01 02 00 00000000"
  })
  void writesGoldenBytes(Kind kind, String hex) {
    ByteBuf out = Unpooled.buffer();
    Preamble.of(kind).write(out);
    assertThat(Hex.take(out)).isEqualTo(Hex.plain(hex));
    assertThat(Preamble.of(kind).toBytes()).isEqualTo(Hex.array(hex));
    Preamble read = Preamble.read(Hex.bytes(hex));
    assertThat(read).isNotNull();
    assertThat(read.kind()).isSameAs(kind);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
  void matchesEachByteOfTheMagic(int length) {
    assertThat(Preamble.detect(Unpooled.wrappedBuffer(MAGIC, 0, length)))
        .isSameAs(ProtocolDetectionState.NEEDS_MORE_DATA);
    for (int next = 0; next < 256; next++) {
      byte[] bytes = Arrays.copyOf(MAGIC, length + 1);
      boolean correct = bytes[length] == MAGIC[length] && (byte) next == MAGIC[length];
      bytes[length] = (byte) next;
      ProtocolDetectionState expected =
          !correct
              ? ProtocolDetectionState.INVALID
              : length == 7
                  ? ProtocolDetectionState.DETECTED
                  : ProtocolDetectionState.NEEDS_MORE_DATA;
      assertThat(Preamble.detect(Unpooled.wrappedBuffer(bytes)))
          .as("%d bytes and 0x%x", length, next)
          .isSameAs(expected);
      if (!correct) {
        byte[] continued = Arrays.copyOf(bytes, 16);
        System.arraycopy(MAGIC, length, continued, length + 1, 8 - length);
        assertThat(Preamble.detect(Unpooled.wrappedBuffer(continued)))
            .isSameAs(ProtocolDetectionState.INVALID);
      }
    }
  }

  @Test
  void matchIgnoresBytesAfterTheMagic() {
    ByteBuf bytes = Unpooled.buffer().writeBytes(MAGIC);
    for (int i = 0; i < 300; i++) {
      assertThat(Preamble.detect(bytes)).isSameAs(ProtocolDetectionState.DETECTED);
      bytes.writeByte(i);
    }
  }

  @Test
  void matchStartsAtReaderIndexAndKeepsIt() {
    ByteBuf bytes = Unpooled.buffer().writeByte('x').writeBytes(MAGIC).skipBytes(1);
    assertThat(Preamble.detect(bytes)).isSameAs(ProtocolDetectionState.DETECTED);
    assertThat(bytes.readerIndex()).isEqualTo(1);
    assertThat(bytes.readableBytes()).isEqualTo(8);
  }

  @Test
  void readConsumesOnlyThePreamble() {
    ByteBuf bytes = Unpooled.buffer();
    Preamble.of(Kind.DATA).write(bytes);
    bytes.writeByte(0x16);
    assertThat(Preamble.read(bytes)).isNotNull();
    assertThat(Hex.take(bytes)).isEqualTo("16");
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4, 127, 128, 255})
  void unknownKindIsRejected(int kind) {
    ByteBuf bytes = preamble(1, 1, kind, 0, 0);
    assertThat(Preamble.read(bytes)).isNull();
    assertThat(bytes.isReadable()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, true, false",
    "0, 1, true, true",
    "1, 1, true, true",
    "1, 2, true, true",
    "0, 255, true, true",
    "1, 255, true, true",
    "2, 2, true, false",
    "2, 255, true, false",
    "255, 255, true, false",
    "1, 0, false, false",
    "2, 1, false, false",
    "255, 1, false, false",
    "128, 127, false, false"
  })
  void versionRangeIsValidated(int lowest, int highest, boolean valid, boolean common) {
    Preamble read = Preamble.read(preamble(lowest, highest, 0, 0, 0));
    assertThat(read != null).isEqualTo(valid);
    if (read != null) {
      assertThat(read.lowestVersion()).isEqualTo(lowest);
      assertThat(read.highestVersion()).isEqualTo(highest);
      assertThat(read.hasCommonVersion()).isEqualTo(common);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "255, 0", "0, -559038737", "1, -1"})
  void reservedBytesAreIgnoredButPreserved(int flags, int reserved) {
    Preamble read = Preamble.read(preamble(1, 1, 0, flags, reserved));
    assertThat(read).isNotNull();
    assertThat(read.kind()).isSameAs(Kind.CONTROL);
    assertThat(Unpooled.wrappedBuffer(read.toBytes()))
        .isEqualTo(preamble(1, 1, 0, flags, reserved));
    ByteBuf written = Unpooled.buffer();
    read.write(written);
    assertThat(written).isEqualTo(preamble(1, 1, 0, flags, reserved));
  }

  @Test
  void toBytesReturnsCopy() {
    Preamble preamble = Preamble.of(Kind.DATA);
    preamble.toBytes()[10] = 0;
    assertThat(preamble.kind()).isSameAs(Kind.DATA);
  }

  // --- the version refusal ---

  @Test
  void refusalWritesGoldenBytes() {
    ByteBuf out = Unpooled.buffer();
    VersionRefusal.ofThisBuild().write(out);
    assertThat(VersionRefusal.LENGTH).isEqualTo(11);
    assertThat(Hex.take(out)).isEqualTo("c24332430d0a1a0a0101ff");
  }

  @Test
  void refusalReadsVersionRange() {
    VersionRefusal refusal = VersionRefusal.read(Hex.bytes("c24332430d0a1a0a 03 fe ff"));
    assertThat(refusal).isNotNull();
    assertThat(refusal.lowestVersion()).isEqualTo(3);
    assertThat(refusal.highestVersion()).isEqualTo(254);
  }

  @Test
  void corruptRefusalIsRejected() {
    byte[] golden = Hex.array("c24332430d0a1a0a 01 01 ff");
    for (int at : new int[] {0, 1, 2, 3, 4, 5, 6, 7, 10}) {
      byte[] bytes = golden.clone();
      bytes[at] ^= 1;
      ByteBuf in = Unpooled.wrappedBuffer(bytes);
      assertThat(VersionRefusal.read(in)).as("byte %d", at).isNull();
      assertThat(in.isReadable()).isFalse();
    }
  }

  private static ByteBuf preamble(int lowest, int highest, int kind, int flags, int reserved) {
    return Unpooled.buffer()
        .writeBytes(MAGIC)
        .writeByte(lowest)
        .writeByte(highest)
        .writeByte(kind)
        .writeByte(flags)
        .writeInt(reserved);
  }
}
