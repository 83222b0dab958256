package io.c2crelay.agent.connect;

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

  private EmbeddedChannel preambleWritten() {
    EmbeddedChannel channel = connected(Preamble.Kind.CONTROL);
    channel.releaseOutbound();
    return channel;
  }

  @ParameterizedTest
  @EnumSource(Preamble.Kind.class)
  void preambleIsWrittenFirst(Preamble.Kind kind) {
    EmbeddedChannel channel =
        new EmbeddedChannel(
            new PreambleHandler(Preamble.of(kind)),
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelActive(ChannelHandlerContext ctx) {
                ctx.writeAndFlush(Unpooled.copyInt(1)); // like the TLS handler
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
  void tlsRemovesHandlerAndIsPassedOn(int first) {
    EmbeddedChannel channel = preambleWritten();
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {(byte) first, 3, 3, 0}));
    assertThat(channel.pipeline().get(PreambleHandler.class)).isNull();
    assertThat(received(channel)).isEqualTo(String.format("%02x030300", first));
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {(byte) 0xc2, 0}));
    assertThat(received(channel)).isEqualTo("c200");
  }

  @Test
  void otherFirstByteMeansMisclassified() {
    for (int first = 0; first < 256; first++) {
      if (first == 21 || first == 22 || first == 0xc2) {
        continue;
      }
      EmbeddedChannel channel = preambleWritten();
      ByteBuf bytes = Unpooled.buffer().writeByte(first).writeBytes(REFUSAL);
      assertThatThrownBy(() -> channel.writeInbound(bytes))
          .as("0x%x", first)
          .satisfies(e -> assertThat(Sockets.rootOf(e)).isInstanceOf(MisclassifiedException.class));
      assertThat(bytes.refCnt()).isZero();
      assertThat(channel.inboundMessages()).isEmpty();
    }
  }

  @Test
  void acceptsSplitVersionRefusal() {
    for (int split = 0; split < REFUSAL.length; split++) {
      EmbeddedChannel channel = preambleWritten();
      if (split > 0) {
        channel.writeInbound(Unpooled.copiedBuffer(REFUSAL, 0, split));
      }
      ByteBuf rest = Unpooled.copiedBuffer(REFUSAL, split, REFUSAL.length - split);
      assertThatThrownBy(() -> channel.writeInbound(rest))
          .as("split at %d", split)
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
  void invalidRefusalMeansMisclassified(int index) {
    byte[] bytes = REFUSAL.clone();
    bytes[index] ^= 1;
    EmbeddedChannel channel = preambleWritten();
    assertThatThrownBy(() -> channel.writeInbound(Unpooled.wrappedBuffer(bytes)))
        .satisfies(e -> assertThat(Sockets.rootOf(e)).isInstanceOf(MisclassifiedException.class));
  }

  @Test
  void truncatedRefusalIsReleasedOnClose() {
    EmbeddedChannel channel = preambleWritten();
    ByteBuf bytes = Unpooled.copiedBuffer(REFUSAL, 0, 10);
    channel.writeInbound(bytes);
    assertThat(channel.finish()).isFalse();
    assertThat(bytes.refCnt()).isZero();
  }

  @Test
  void misclassifiedExceptionHasNoStackTrace() {
    assertThat(new MisclassifiedException().getStackTrace()).isEmpty();
  }

  private static String received(EmbeddedChannel channel) {
    ByteBuf bytes = channel.readInbound();
    String hex = ByteBufUtil.hexDump(bytes);
    bytes.release();
    return hex;
  }
}
