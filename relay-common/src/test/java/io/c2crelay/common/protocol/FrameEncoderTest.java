package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.GoldenFrames.Golden;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FrameEncoderTest {
  private final EmbeddedChannel channel = new EmbeddedChannel(FrameEncoder.INSTANCE);

  @AfterEach
  void close() {
    assertThat(channel.finishAndReleaseAll()).as("unread bytes").isFalse();
  }

  @ParameterizedTest
  @MethodSource("io.c2crelay.common.protocol.GoldenFrames#all")
  void writesGoldenBytes(Golden golden) {
    channel.writeOutbound(golden.frame());
    assertThat(written()).isEqualTo(golden.hex());
  }

  @Test
  void goldenFramesCoverAllTypes() {
    Set<FrameType> missing = EnumSet.allOf(FrameType.class);
    GoldenFrames.all().map(Golden::type).forEach(missing::remove);
    assertThat(missing).isEmpty();
  }

  @Test
  void dataContentIsNotCopied() {
    ByteBuf bytes = Unpooled.buffer().writeBytes(new byte[100]).skipBytes(90);
    channel.writeOutbound(Frame.Data.of(bytes));
    ByteBuf header = channel.readOutbound();
    assertThat(Hex.take(header)).isEqualTo("1500000a");
    ByteBuf payload = channel.readOutbound();
    assertThat(payload).isSameAs(bytes);
    assertThat(payload.refCnt()).isEqualTo(1);
    payload.release();
  }

  @Test
  void dataPromiseCompletesWithContent() {
    ChannelFuture write = channel.write(Frame.Data.of(Unpooled.copyLong(1)));
    assertThat(write.isDone()).isFalse();
    channel.flush();
    assertThat(write.isSuccess()).isTrue();
    assertThat(written()).isEqualTo("150000080000000000000001");
  }

  @Test
  void writeToClosedChannelReleasesContent() {
    ByteBuf bytes = Unpooled.copyLong(1);
    channel.close();
    ChannelFuture write = channel.writeAndFlush(Frame.Data.of(bytes));
    assertThat(write.isSuccess()).isFalse();
    assertThat(bytes.refCnt()).isZero();
  }

  @Test
  void otherMessagesPassUnchanged() {
    ByteBuf bytes = Unpooled.copyLong(1);
    channel.writeOutbound(bytes);
    assertThat(channel.<ByteBuf>readOutbound()).isSameAs(bytes);
    bytes.release();
  }

  private String written() {
    StringBuilder hex = new StringBuilder();
    for (ByteBuf part = channel.readOutbound(); part != null; part = channel.readOutbound()) {
      hex.append(Hex.take(part));
    }
    return hex.toString();
  }
}
