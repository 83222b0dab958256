package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.ProtocolDetectionState;
import java.util.Arrays;

/**
 * Compares the parsing of a connection's first bytes, as a preamble and as a version refusal, with
 * a model of docs/protocol.md section 1.
 */
class PreambleFuzzTest {
  private static final byte[] MAGIC = Hex.array("c24332430d0a1a0a");

  @FuzzTest
  void firstBytes(byte[] first) {
    assertMatch(first);
    if (first.length >= 16 && startsWithMagic(first)) {
      assertPreamble(Arrays.copyOf(first, 16));
    }
    if (first.length >= 11) {
      assertRefusal(Arrays.copyOf(first, 11));
    }
  }

  private static void assertMatch(byte[] first) {
    ByteBuf bytes = Unpooled.wrappedBuffer(first);
    int common = Arrays.mismatch(first, MAGIC);
    ProtocolDetectionState expected =
        startsWithMagic(first)
            ? ProtocolDetectionState.DETECTED
            : common == first.length
                ? ProtocolDetectionState.NEEDS_MORE_DATA
                : ProtocolDetectionState.INVALID;
    assertThat(Preamble.detect(bytes)).isEqualTo(expected);
    assertThat(bytes.readerIndex()).as("reader index").isZero();
  }

  private static void assertPreamble(byte[] bytes) {
    int lowest = bytes[8] & 0xFF;
    int highest = bytes[9] & 0xFF;
    int kind = bytes[10] & 0xFF;
    Preamble preamble = Preamble.read(Unpooled.wrappedBuffer(bytes));
    if (kind > 2 || lowest > highest) {
      assertThat(preamble).isNull();
      return;
    }
    assertThat(preamble.kind().ordinal()).isEqualTo(kind);
    assertThat(preamble.lowestVersion()).isEqualTo(lowest);
    assertThat(preamble.highestVersion()).isEqualTo(highest);
    assertThat(preamble.hasCommonVersion()).isEqualTo(lowest <= 1 && highest >= 1);
    assertThat(preamble.toBytes()).isEqualTo(bytes);
    ByteBuf written = Unpooled.buffer();
    preamble.write(written);
    assertThat(ByteBufUtil.getBytes(written)).as("encoded again").isEqualTo(bytes);
  }

  private static void assertRefusal(byte[] bytes) {
    VersionRefusal refusal = VersionRefusal.read(Unpooled.wrappedBuffer(bytes));
    if (!startsWithMagic(bytes) || bytes[10] != (byte) 0xFF) {
      assertThat(refusal).isNull();
      return;
    }
    assertThat(refusal.lowestVersion()).isEqualTo(bytes[8] & 0xFF);
    assertThat(refusal.highestVersion()).isEqualTo(bytes[9] & 0xFF);
    ByteBuf written = Unpooled.buffer();
    refusal.write(written);
    assertThat(ByteBufUtil.getBytes(written)).as("encoded again").isEqualTo(bytes);
  }

  private static boolean startsWithMagic(byte[] bytes) {
    return bytes.length >= 8 && Arrays.equals(bytes, 0, 8, MAGIC, 0, 8);
  }
}
