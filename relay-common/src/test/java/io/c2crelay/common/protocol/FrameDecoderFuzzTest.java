package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Compares the decoding of any bytes, in any pieces, with a model of docs/protocol.md section 4.
 * Decoded frames are encoded again; an invalid frame ends the decoding.
 *
 * <p>Input: byte 0 selects the connection (even: control, odd: data), byte 1 seeds the split into
 * pieces, the rest is received.
 */
class FrameDecoderFuzzTest {
  private static final String PROTOCOL = "PROTOCOL";
  private static final String INCOMPLETE = "PROTOCOL, at the end";

  /** Twice the largest frame (a buffer doubles), the last read and a margin. */
  private static final int MAX_BUFFERED = 64 * 1024;

  private record Rule(boolean onControl, boolean onData, int min, int max) {}

  private static final Map<Integer, Rule> RULES =
      Map.ofEntries(
          Map.entry(0x01, new Rule(true, false, 33, 33)),
          Map.entry(0x02, new Rule(true, false, 90, 729)),
          Map.entry(0x03, new Rule(true, false, 33, 33)),
          Map.entry(0x04, new Rule(true, false, 32, 4096)),
          Map.entry(0x05, new Rule(true, false, 17, 17)),
          Map.entry(0x06, new Rule(true, true, 8, 8)),
          Map.entry(0x07, new Rule(true, true, 8, 8)),
          Map.entry(0x08, new Rule(true, false, 1, 1)),
          Map.entry(0x10, new Rule(false, true, 16, 16)),
          Map.entry(0x11, new Rule(false, true, 16, 16)),
          Map.entry(0x12, new Rule(false, true, 46, 46)),
          Map.entry(0x13, new Rule(false, true, 0, 0)),
          Map.entry(0x14, new Rule(false, true, 1, 1)),
          Map.entry(0x15, new Rule(false, true, 0, 16_380)),
          Map.entry(0x16, new Rule(false, true, 0, 0)),
          Map.entry(0x17, new Rule(false, true, 1, 1)),
          Map.entry(0x18, new Rule(false, true, 8, 8)));

  @FuzzTest
  void bytes(byte[] input) {
    if (input.length < 2) {
      return;
    }
    boolean control = (input[0] & 1) == 0;
    byte[] received = Arrays.copyOfRange(input, 2, input.length);
    List<String> expected = expected(control, ByteBuffer.wrap(received));
    assertThat(decoded(control, received, received.length)).as("in one piece").isEqualTo(expected);
    assertThat(decoded(control, received, input[1])).as("in pieces").isEqualTo(expected);
  }

  // --- the model ---

  private static List<String> expected(boolean control, ByteBuffer in) {
    List<String> frames = new ArrayList<>();
    while (in.remaining() >= 4) {
      int code = in.get() & 0xFF;
      int length = (in.get() & 0xFF) << 16 | in.getShort() & 0xFFFF;
      Rule rule = RULES.get(code);
      boolean skipped = rule == null && code >= 0x80;
      boolean fits =
          rule != null
              && (control ? rule.onControl : rule.onData)
              && length >= rule.min
              && length <= rule.max;
      if (length > (control ? 4096 : 16_380) || !skipped && !fits) {
        frames.add(PROTOCOL);
        return frames;
      }
      if (in.remaining() < length) {
        in.position(in.position() - 4);
        break;
      }
      byte[] payload = new byte[length];
      in.get(payload);
      if (skipped) {
        continue;
      }
      if (!isValid(code, payload)) {
        frames.add(PROTOCOL);
        return frames;
      }
      frames.add(Hex.take(buffer(code, normalise(code, payload))));
    }
    if (in.hasRemaining()) {
      frames.add(INCOMPLETE);
    }
    return frames;
  }

  private static boolean isValid(int code, byte[] payload) {
    return switch (code) {
      case 0x02 -> {
        int service = payload[56] & 0xFF;
        if (payload.length < 90 + service || !isServiceName(payload, 57, service)) {
          yield false;
        }
        int label = payload[57 + service] & 0xFF;
        int fields = payload.length - 90 - service - label;
        yield label <= 64
            && fields >= 0
            && fields <= 512
            && areFields(payload, 58 + service + label, fields);
      }
      case 0x04 -> payload.length % 32 == 0;
      case 0x12 -> (payload[8] == 4 || payload[8] == 6) && (payload[27] == 4 || payload[27] == 6);
      default -> true;
    };
  }

  private static boolean isServiceName(byte[] payload, int from, int length) {
    String name = new String(payload, from, length, StandardCharsets.ISO_8859_1);
    return name.matches("[a-z0-9-]{0,63}");
  }

  /** Whether the bytes are fields of type u8, length u8 and value. */
  private static boolean areFields(byte[] payload, int from, int length) {
    int at = from;
    int end = from + length;
    while (at + 2 <= end) {
      at += 2 + (payload[at + 1] & 0xFF);
    }
    return at == end;
  }

  /**
   * Returns the payload as it is encoded again: unknown reasons become 16, addresses are
   * normalised.
   */
  private static byte[] normalise(int code, byte[] payload) {
    byte[] written = payload.clone();
    switch (code) {
      case 0x05, 0x08, 0x14, 0x17 -> {
        int last = written.length - 1;
        boolean known = written[last] >= 1 && written[last] <= 18;
        written[last] = known ? written[last] : 16;
      }
      case 0x12 -> {
        normaliseAddress(written, 8);
        normaliseAddress(written, 27);
      }
      default -> {}
    }
    return written;
  }

  private static void normaliseAddress(byte[] start, int at) {
    byte[] mapped = Hex.array("00000000000000000000ffff");
    if (start[at] == 6 && Arrays.equals(start, at + 1, at + 13, mapped, 0, 12)) {
      start[at] = 4;
      System.arraycopy(start, at + 13, start, at + 1, 4);
    }
    if (start[at] == 4) {
      Arrays.fill(start, at + 5, at + 17, (byte) 0);
    }
  }

  private static ByteBuf buffer(int code, byte[] payload) {
    return Unpooled.buffer(4 + payload.length)
        .writeByte(code)
        .writeMedium(payload.length)
        .writeBytes(payload);
  }

  // --- the decoder ---

  /** Returns the decoded frames, encoded again, and then the failure, if any. */
  private static List<String> decoded(boolean control, byte[] received, int split) {
    UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    List<String> decoded = new ArrayList<>();
    Recorder recorder = new Recorder(decoded);
    EmbeddedChannel channel =
        new EmbeddedChannel(control ? FrameDecoder.ofControl() : FrameDecoder.ofData(), recorder);
    channel.config().setAllocator(allocator);
    SplittableRandom random = new SplittableRandom(split);
    for (int at = 0; at < received.length; ) {
      int length = split == received.length ? split : pieceLength(random, received.length - at);
      channel.writeInbound(allocator.buffer(length).writeBytes(received, at, length));
      at += length;
      assertThat(allocator.metric().usedHeapMemory()).as("buffered bytes").isLessThan(MAX_BUFFERED);
    }
    recorder.ended = true;
    channel.finish();
    assertThat(allocator.metric().usedHeapMemory()).as("leaked bytes").isZero();
    assertThat(allocator.metric().usedDirectMemory()).as("leaked bytes").isZero();
    return decoded;
  }

  /** Pieces are short, to split headers, or long. */
  private static int pieceLength(SplittableRandom random, int left) {
    return Math.min(left, 1 + random.nextInt(1 << random.nextInt(10)));
  }

  private static final class Recorder extends ChannelInboundHandlerAdapter {
    private final List<String> decoded;
    private boolean ended;

    Recorder(List<String> decoded) {
      this.decoded = decoded;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      EmbeddedChannel encoder = new EmbeddedChannel(FrameEncoder.INSTANCE);
      encoder.config().setAllocator(ctx.alloc());
      encoder.writeOutbound(msg);
      StringBuilder hex = new StringBuilder();
      for (ByteBuf part = encoder.readOutbound(); part != null; part = encoder.readOutbound()) {
        hex.append(Hex.take(part));
      }
      decoded.add(hex.toString());
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      String protocol = ended ? INCOMPLETE : PROTOCOL;
      decoded.add(cause instanceof ProtocolException ? protocol : cause.toString());
    }
  }
}
