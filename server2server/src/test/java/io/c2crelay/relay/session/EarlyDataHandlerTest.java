package io.c2crelay.relay.session;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class EarlyDataHandlerTest {
  private final List<String> told = new ArrayList<>();
  private EmbeddedChannel channel;

  @BeforeEach
  void open() {
    open(false);
  }

  private void open(boolean pongDue) {
    channel = new EmbeddedChannel();
    channel.freezeTime();
    channel.pipeline().addLast(new EarlyDataHandler(new RecordingOwner(), pongDue));
  }

  @AfterEach
  void release() {
    channel.finishAndReleaseAll();
  }

  private final class RecordingOwner implements EarlyDataHandler.Owner {
    @Override
    public void started() {
      told.add("started");
    }

    @Override
    public void refused(ReasonCode reason, boolean replayable) {
      told.add("refused " + reason + (replayable ? " replayable" : ""));
    }

    @Override
    public void failed(ReasonCode reason, boolean replayable) {
      told.add("failed " + reason + (replayable ? " replayable" : ""));
    }
  }

  @Test
  void startedTakesTheGateAway() {
    receive(Frame.Started.INSTANCE);
    assertThat(told).containsExactly("started");
    assertThat(channel.pipeline().get(EarlyDataHandler.class)).isNull();
    pass(5000);
    assertThat(told).containsExactly("started");
  }

  static Stream<Arguments> ends() {
    return Stream.of(
        end(
            "FAILED",
            c -> c.writeInbound(Frame.Failed.of(ReasonCode.TARGET_REFUSED)),
            "refused TARGET_REFUSED"),
        end("RESET", c -> c.writeInbound(Frame.Reset.of(ReasonCode.LIMIT)), "failed LIMIT"),
        end(
            "DATA",
            c -> c.writeInbound(Frame.Data.of(Unpooled.wrappedBuffer(new byte[1]))),
            "failed PROTOCOL"),
        end("EOF", c -> c.writeInbound(Frame.Eof.INSTANCE), "failed PROTOCOL"),
        end("PONG that is not due", c -> c.writeInbound(Frame.Pong.of(1)), "failed PROTOCOL"),
        end("close", c -> c.close(), "failed AGENT_LOST"),
        end(
            "no answer in 5 s",
            c -> {
              c.advanceTimeBy(5000, MILLISECONDS);
              c.runScheduledPendingTasks();
            },
            "failed START_TIMEOUT"));
  }

  private static Arguments end(String name, Consumer<EmbeddedChannel> event, String expected) {
    return Arguments.of(name, event, expected);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("ends")
  void endBeforeStartedIsToldOnceAndThatNothingWasWritten(
      String name, Consumer<EmbeddedChannel> event, String expected) {
    event.accept(channel);
    channel.close();
    assertThat(told).containsExactly(expected + " replayable");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("ends")
  void endBeforeStartedIsToldOnceAndThatSomethingWasWritten(
      String name, Consumer<EmbeddedChannel> event, String expected) {
    write(1);
    event.accept(channel);
    channel.close();
    assertThat(told).containsExactly(expected);
  }

  @Test
  void eofIsSomethingWritten() {
    channel.writeOutbound(Frame.Eof.INSTANCE);
    channel.close();
    assertThat(told).containsExactly("failed AGENT_LOST");
  }

  @Test
  void answerMayTakeFiveSeconds() {
    pass(4999);
    assertThat(told).isEmpty();
  }

  @Test
  void onePongThatIsDueIsPassedOver() {
    open(true);
    receive(Frame.Pong.of(1));
    assertThat(told).isEmpty();
    receive(Frame.Pong.of(1));
    assertThat(told).containsExactly("failed PROTOCOL replayable");
  }

  @Test
  void sixtyFourKibibytesGoOutBeforeStartedAndTheRestAfterwards() {
    for (int i = 0; i < 4; i++) {
      assertThat(write(16 * 1024).isDone()).isTrue();
    }
    ChannelFuture late = write(1);
    ChannelFuture eof = channel.writeAndFlush(Frame.Eof.INSTANCE);
    assertThat(framesOut()).isEqualTo(4);
    assertThat(late.isDone()).isFalse();
    receive(Frame.Started.INSTANCE);
    assertThat(late.isSuccess()).isTrue();
    assertThat(eof.isSuccess()).isTrue();
    assertThat(framesOut()).isEqualTo(2);
  }

  @Test
  void heldBytesCountAsUnwrittenSoThatTheUserIsReadNoMore() {
    for (int i = 0; i < 4; i++) {
      write(16 * 1024);
    }
    assertThat(channel.isWritable()).isTrue();
    write(16 * 1024);
    for (int i = 0; i < 4; i++) {
      write(16 * 1024);
    }
    assertThat(channel.isWritable()).isFalse();
    receive(Frame.Started.INSTANCE);
    assertThat(channel.isWritable()).isTrue();
  }

  @Test
  void heldBytesAreReleasedAtTheEnd() {
    for (int i = 0; i < 5; i++) {
      write(16 * 1024);
    }
    ChannelFuture held = write(1);
    channel.close();
    channel.runPendingTasks();
    assertThat(held.isDone()).isTrue();
    assertThat(held.isSuccess()).isFalse();
  }

  private void receive(Frame frame) {
    channel.writeInbound(frame);
  }

  private ChannelFuture write(int bytes) {
    return channel.writeAndFlush(Frame.Data.of(Unpooled.wrappedBuffer(new byte[bytes])));
  }

  private int framesOut() {
    int count = 0;
    for (Object frame = channel.readOutbound(); frame != null; frame = channel.readOutbound()) {
      ReferenceCountUtil.release(frame);
      count++;
    }
    return count;
  }

  private void pass(long millis) {
    channel.advanceTimeBy(millis, MILLISECONDS);
    channel.runScheduledPendingTasks();
  }
}
