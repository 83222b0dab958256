package io.c2crelay.common.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.WriteBufferWaterMark;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackpressureTest {
  private static final int SHARES = 1024;

  private final SocketlessChannel source = new SocketlessChannel();
  private final SocketlessChannel sink = new SocketlessChannel();
  private final BufferBudget budget = BufferBudget.ofBytes(SHARES * 10_000);
  private final List<Throwable> failures = new ArrayList<>();
  private final Backpressure gate =
      new Backpressure(source, sink, budget, Collections.emptyList(), failures::add);

  @BeforeEach
  void begin() {
    sink.config().setWriteBufferWaterMark(new WriteBufferWaterMark(2_000, 4_000));
    sink.pipeline()
        .addLast(
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelWritabilityChanged(ChannelHandlerContext ctx) {
                gate.update();
              }
            });
    gate.update();
    assertThat(reads()).isTrue();
  }

  @AfterEach
  void close() {
    gate.close();
    assertThat(budget.usedBytes()).isZero();
    source.finishAndReleaseAll();
    sink.finishAndReleaseAll();
  }

  private boolean reads() {
    return source.config().isAutoRead();
  }

  private ChannelFuture write(int length) {
    ChannelFuture write = sink.writeAndFlush(Unpooled.buffer().writeZero(length));
    write.addListener(gate);
    gate.update();
    return write;
  }

  /** The mark counts the bytes and what Netty adds for each write. */
  @ParameterizedTest
  @CsvSource({"1, true", "3000, true", "4001, false", "100000, false"})
  void readsWhileTheSinkIsUnderItsMark(int length, boolean goesOn) {
    sink.stall();
    write(length);
    assertThat(reads()).isEqualTo(goesOn);
    assertThat(budget.usedBytes()).isBetween((long) length, length + 200L);
    sink.goOn();
    assertThat(reads()).isTrue();
    assertThat(budget.usedBytes()).isZero();
  }

  @Test
  void readsOnlyWhileTheSinkHoldsNoMoreThanItsShare() {
    sink.config().setWriteBufferWaterMark(new WriteBufferWaterMark(100_000, 200_000));
    sink.stall();
    write(9_000);
    assertThat(reads()).isTrue();
    write(2_000);
    assertThat(sink.isWritable()).isTrue();
    assertThat(reads()).isFalse();
    sink.goOn();
    assertThat(reads()).isTrue();
    assertThat(budget.usedBytes()).isZero();
  }

  @Test
  void aShareShrinksWithWhatOthersHold() {
    assertThat(budget.share()).isEqualTo(10_000);
    budget.add(SHARES * 8_000);
    assertThat(budget.share()).isEqualTo(2_000);
    sink.stall();
    write(2_500);
    assertThat(sink.isWritable()).isTrue();
    assertThat(reads()).isFalse();
    sink.goOn();
    assertThat(reads()).as("the sink is empty, whatever others hold").isTrue();
    sink.stall();
    write(2_500);
    assertThat(reads()).isFalse();
    budget.add(-SHARES * 8_000);
    gate.update();
    assertThat(reads()).isTrue();
  }

  @Test
  void waitsForOthersToLetGoOfMemory() {
    budget.add(SHARES * 10_000);
    assertThat(budget.isExhausted()).isTrue();
    assertThat(budget.share()).isZero();
    sink.stall();
    write(1_000);
    assertThat(reads()).isFalse();
    sink.pass(1, TimeUnit.SECONDS);
    assertThat(reads()).isFalse();
    budget.add(-SHARES * 9_000);
    sink.pass(49, TimeUnit.MILLISECONDS);
    assertThat(reads()).as("looks again every 50 ms").isFalse();
    sink.pass(1, TimeUnit.MILLISECONDS);
    assertThat(reads()).isTrue();
    budget.add(-SHARES * 1_000);
  }

  @Test
  void aSinkThatHoldsNothingIsServedHoweverMuchOthersHold() {
    budget.add(SHARES * 10_000);
    gate.update();
    assertThat(reads()).isTrue();
    budget.add(-SHARES * 10_000);
  }

  @Test
  void aBudgetThatIsOverdrawnHasNoShare() {
    budget.add(SHARES * 10_000 + 1);
    assertThat(budget.share()).isZero();
    assertThat(budget.isExhausted()).isTrue();
    budget.add(-SHARES * 10_000 - 1);
  }

  @Test
  void aFailedWriteIsTold() {
    sink.stall();
    write(1);
    sink.close();
    assertThat(failures).hasSize(1);
  }

  @Test
  void onceClosedItHasNoSay() {
    sink.stall();
    ChannelFuture write = write(5_000);
    assertThat(reads()).isFalse();
    gate.close();
    assertThat(budget.usedBytes()).isZero();
    source.config().setAutoRead(true);
    gate.update();
    assertThat(reads()).isTrue();
    sink.close();
    assertThat(write.isSuccess()).isFalse();
    assertThat(failures).isEmpty();
    assertThat(budget.usedBytes()).isZero();
  }

  @Test
  void aSinkThatIsDoneLeavesItsSourceReading() {
    budget.add(SHARES * 10_000);
    sink.stall();
    write(1_000);
    assertThat(reads()).isFalse();
    gate.sinkDone();
    assertThat(reads()).isTrue();
    sink.shutdownOutput();
    gate.update();
    assertThat(reads()).isTrue();
    budget.add(-SHARES * 10_000);
  }

  @Test
  void aSinkWithoutOutputHoldsNothing() {
    sink.shutdownOutput();
    gate.update();
    assertThat(budget.usedBytes()).isZero();
  }

  @Test
  void aClosedSinkHoldsNothing() {
    sink.close();
    gate.update();
    assertThat(budget.usedBytes()).isZero();
    assertThat(reads()).isFalse();
  }
}
