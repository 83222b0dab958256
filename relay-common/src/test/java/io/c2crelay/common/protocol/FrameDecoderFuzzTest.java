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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Any bytes, in any pieces, are read as the tables of docs/protocol.md section 4 say, which are
 * written down here once more: frames are the same bytes when they are written again, and the first
 * wrong one is the last thing that is heard.
 *
 * <p>An input is: where (even: control, odd: data), how it is cut into pieces, and what is
 * received.
 */
class FrameDecoderFuzzTest {
  private static final String PROTOCOL = "PROTOCOL";
  private static final String CUT_SHORT = "PROTOCOL, at the end";

  /** The largest frame, twice (a buffer doubles), what was read last, and small change. */
  private static final int MAX_HELD = 64 * 1024;

  private record Rule(boolean onControl, boolean onData, int least, int most) {}

  private static final Map<Integer, Rule> RULES =
      Map.ofEntries(
          Map.entry(0x01, new Rule(true, false, 33, 33)),
          Map.entry(0x02, new Rule(true, false, 89, 665)),
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
          Map.entry(0x17, new Rule(false, true, 1, 1)));

  @FuzzTest
  void bytes(byte[] input) {
    if (input.length < 2) {
      return;
    }
    boolean control = (input[0] & 1) == 0;
    byte[] received = Arrays.copyOfRange(input, 2, input.length);
    List<String> expected = expected(control, ByteBuffer.wrap(received));
    assertThat(heard(control, received, received.length)).as("in one piece").isEqualTo(expected);
    assertThat(heard(control, received, input[1])).as("in pieces").isEqualTo(expected);
  }

  // --- what the document says ---

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
              && length >= rule.least
              && length <= rule.most;
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
      if (!makesSense(code, payload)) {
        frames.add(PROTOCOL);
        return frames;
      }
      frames.add(Hex.take(buffer(code, asWritten(code, payload))));
    }
    if (in.hasRemaining()) {
      frames.add(CUT_SHORT);
    }
    return frames;
  }

  private static boolean makesSense(int code, byte[] payload) {
    return switch (code) {
      case 0x02 -> {
        int label = payload[56] & 0xFF;
        int fields = payload.length - 89 - label;
        yield label <= 64 && fields >= 0 && areFields(payload, 57 + label, fields);
      }
      case 0x04 -> payload.length % 32 == 0;
      case 0x12 -> (payload[8] == 4 || payload[8] == 6) && (payload[27] == 4 || payload[27] == 6);
      default -> true;
    };
  }

  /** Type u8, length u8, value; as many as fit exactly. */
  private static boolean areFields(byte[] payload, int from, int length) {
    int at = from;
    int end = from + length;
    while (at + 2 <= end) {
      at += 2 + (payload[at + 1] & 0xFF);
    }
    return at == end;
  }

  /** What is read of a frame is what matters: unknown reasons are one, addresses have one form. */
  private static byte[] asWritten(int code, byte[] payload) {
    byte[] written = payload.clone();
    switch (code) {
      case 0x05, 0x08, 0x14, 0x17 -> {
        int last = written.length - 1;
        boolean known = written[last] >= 1 && written[last] <= 17;
        written[last] = known ? written[last] : 16;
      }
      case 0x12 -> {
        plainAddress(written, 8);
        plainAddress(written, 27);
      }
      default -> {}
    }
    return written;
  }

  private static void plainAddress(byte[] start, int at) {
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

  // --- what is heard ---

  /** Frames as they are written again, then what went wrong, if anything. */
  private static List<String> heard(boolean control, byte[] received, int cut) {
    UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    List<String> heard = new ArrayList<>();
    Listener listener = new Listener(heard);
    EmbeddedChannel channel =
        new EmbeddedChannel(control ? FrameDecoder.ofControl() : FrameDecoder.ofData(), listener);
    channel.config().setAllocator(allocator);
    SplittableRandom random = new SplittableRandom(cut);
    for (int at = 0; at < received.length; ) {
      int length = cut == received.length ? cut : pieceOf(random, received.length - at);
      channel.writeInbound(allocator.buffer(length).writeBytes(received, at, length));
      at += length;
      assertThat(allocator.metric().usedHeapMemory()).as("bytes held").isLessThan(MAX_HELD);
    }
    listener.atTheEnd = true;
    channel.finish();
    assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
    assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    return heard;
  }

  /** Short pieces, which cut headers, and long ones. */
  private static int pieceOf(SplittableRandom random, int left) {
    return Math.min(left, 1 + random.nextInt(1 << random.nextInt(10)));
  }

  private static final class Listener extends ChannelInboundHandlerAdapter {
    private final List<String> heard;
    private boolean atTheEnd;

    Listener(List<String> heard) {
      this.heard = heard;
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
      heard.add(hex.toString());
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      String protocol = atTheEnd ? CUT_SHORT : PROTOCOL;
      heard.add(cause instanceof ProtocolException ? protocol : cause.toString());
    }
  }
}
