package io.c2crelay.client.connect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PreambleHandlerTest {
  private static final byte[] REFUSAL = ByteBufUtil.decodeHexDump("c24332430d0a1a0a0205ff");

  private final List<EmbeddedChannel> channels = new ArrayList<>();

  @AfterEach
  void close() {
    for (EmbeddedChannel channel : channels) {
      channel.finishAndReleaseAll();
    }
  }

  private EmbeddedChannel connected(Preamble.Kind kind) {
    EmbeddedChannel channel = new EmbeddedChannel(new PreambleHandler(Preamble.of(kind)));
    channels.add(channel);
    return channel;
  }

  /** One whose preamble is written. */
  private EmbeddedChannel waiting() {
    EmbeddedChannel channel = connected(Preamble.Kind.CONTROL);
    channel.releaseOutbound();
    return channel;
  }

  @ParameterizedTest
  @EnumSource(Preamble.Kind.class)
  void theFirstBytesAreThePreambleInOneWrite(Preamble.Kind kind) {
    EmbeddedChannel channel =
        new EmbeddedChannel(
            new PreambleHandler(Preamble.of(kind)),
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelActive(ChannelHandlerContext ctx) {
                ctx.writeAndFlush(Unpooled.copyInt(1)); // as TLS does
              }
            });
    channels.add(channel);
    ByteBuf first = channel.readOutbound();
    assertThat(ByteBufUtil.getBytes(first)).isEqualTo(Preamble.of(kind).toBytes());
    first.release();
    ByteBuf second = channel.readOutbound();
    assertThat(second.readInt()).isEqualTo(1);
    second.release();
  }

  @ParameterizedTest
  @ValueSource(ints = {21, 22})
  void tlsIsPassedOnWholeAndTheHandlerLeaves(int first) {
    EmbeddedChannel channel = waiting();
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {(byte) first, 3, 3, 0}));
    assertThat(channel.pipeline().get(PreambleHandler.class)).isNull();
    assertThat(received(channel)).isEqualTo(String.format("%02x030300", first));
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {(byte) 0xc2, 0}));
    assertThat(received(channel)).isEqualTo("c200");
  }

  @Test
  void anyOtherFirstByteMeansThatItWasMisread() {
    for (int first = 0; first < 256; first++) {
      if (first == 21 || first == 22 || first == 0xc2) {
        continue;
      }
      EmbeddedChannel channel = waiting();
      ByteBuf bytes = Unpooled.buffer().writeByte(first).writeBytes(REFUSAL);
      assertThatThrownBy(() -> channel.writeInbound(bytes))
          .as("0x%x", first)
          .satisfies(e -> assertThat(Sockets.rootOf(e)).isInstanceOf(MisreadException.class));
      assertThat(bytes.refCnt()).isZero();
      assertThat(channel.inboundMessages()).isEmpty();
    }
  }

  @Test
  void aVersionRefusalMayBeSplitAnywhere() {
    for (int at = 0; at < REFUSAL.length; at++) {
      EmbeddedChannel channel = waiting();
      if (at > 0) {
        channel.writeInbound(Unpooled.copiedBuffer(REFUSAL, 0, at));
      }
      ByteBuf rest = Unpooled.copiedBuffer(REFUSAL, at, REFUSAL.length - at);
      assertThatThrownBy(() -> channel.writeInbound(rest))
          .as("split at %d", at)
          .satisfies(
              e ->
                  assertThat(Sockets.rootOf(e))
                      .isInstanceOf(VersionRefusedException.class)
                      .hasMessage("relay_versions=2-5 agent_versions=1-1"));
      assertThat(rest.refCnt()).isZero();
      assertThat(channel.inboundMessages()).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource({"1", "2", "7", "10"})
  void whatOnlyBeginsLikeARefusalWasMisread(int wrong) {
    byte[] bytes = REFUSAL.clone();
    bytes[wrong] ^= 1;
    EmbeddedChannel channel = waiting();
    assertThatThrownBy(() -> channel.writeInbound(Unpooled.wrappedBuffer(bytes)))
        .satisfies(e -> assertThat(Sockets.rootOf(e)).isInstanceOf(MisreadException.class));
  }

  @Test
  void aRefusalCutShortByTheEndIsJustAnEnd() {
    EmbeddedChannel channel = waiting();
    ByteBuf bytes = Unpooled.copiedBuffer(REFUSAL, 0, 10);
    channel.writeInbound(bytes);
    assertThat(channel.finish()).isFalse();
    assertThat(bytes.refCnt()).isZero();
  }

  @Test
  void bothExceptionsCarryNoStack() {
    assertThat(new MisreadException().getStackTrace()).isEmpty();
  }

  private static String received(EmbeddedChannel channel) {
    ByteBuf bytes = channel.readInbound();
    String hex = ByteBufUtil.hexDump(bytes);
    bytes.release();
    return hex;
  }
}
