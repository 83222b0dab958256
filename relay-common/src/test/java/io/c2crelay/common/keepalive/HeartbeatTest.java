package io.c2crelay.common.keepalive;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HeartbeatTest {
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private final List<Long> roundTrips = new ArrayList<>();
  private int timeouts;
  private final Heartbeat heartbeat = new Heartbeat(() -> timeouts++, roundTrips::add);

  @BeforeEach
  void setUp() {
    channel.freezeTime();
    channel.pipeline().addLast(heartbeat);
  }

  @AfterEach
  void close() {
    assertThat(channel.finishAndReleaseAll()).as("unread frames").isFalse();
  }

  @Test
  void sendsPingAfter10IdleSeconds() {
    advanceMillis(9_999);
    assertNothingSent();
    advanceMillis(1);
    assertPingSent();
  }

  @Test
  void answerTellsTheRoundTrip() {
    advanceMillis(10_000);
    assertPingSent();
    advanceMillis(42);
    channel.writeInbound(Frame.Pong.of(1));
    assertThat(roundTrips).containsExactly(TimeUnit.MILLISECONDS.toNanos(42));
    channel.writeInbound(Frame.Pong.of(1)); // answers nothing
    assertThat(roundTrips).hasSize(1);
  }

  @Test
  void anyFrameDelaysPing() {
    advanceMillis(9_000);
    receiveFrame();
    advanceMillis(9_999);
    assertNothingSent();
    advanceMillis(1);
    assertPingSent();
  }

  @Test
  void sendsSinglePingWhileIdle() {
    advanceMillis(10_000);
    assertPingSent();
    advanceMillis(14_999);
    assertNothingSent();
  }

  @Test
  void timesOutAfter25IdleSeconds() {
    advanceMillis(24_999);
    assertThat(timeouts).isZero();
    advanceMillis(1);
    assertThat(timeouts).isEqualTo(1);
    advanceMillis(100_000);
    assertThat(timeouts).as("reported once").isEqualTo(1);
    assertPingSent();
  }

  @Test
  void timeoutCountsFromLastFrame() {
    advanceMillis(24_999);
    assertPingSent();
    receiveFrame();
    advanceMillis(10_000);
    assertPingSent();
    advanceMillis(14_999);
    assertThat(timeouts).isZero();
    advanceMillis(1);
    assertThat(timeouts).isEqualTo(1);
  }

  /** The relay avoids agents that were silent for 12 s: PINGs must come more often. */
  @Test
  void repeatsPing10SecondsAfterAnswer() {
    for (int round = 0; round < 10; round++) {
      advanceMillis(10_000);
      assertPingSent();
      advanceMillis(30);
      channel.writeInbound(Frame.Pong.of(1));
      advanceMillis(9_999);
      assertNothingSent();
      advanceMillis(1);
      assertPingSent();
      channel.writeInbound(Frame.Pong.of(2));
    }
    assertThat(timeouts).isZero();
  }

  @Test
  void pingIsAnsweredAndConsumed() {
    channel.writeInbound(Frame.Ping.of(0xfedcba9876543210L));
    Frame.Pong pong = channel.readOutbound();
    assertThat(pong.value()).isEqualTo(0xfedcba9876543210L);
    assertThat(channel.inboundMessages()).isEmpty();
  }

  @Test
  void pongIsConsumed() {
    channel.writeInbound(Frame.Pong.of(1));
    assertThat(channel.inboundMessages()).isEmpty();
    assertNothingSent();
  }

  @Test
  void otherFramesPassThrough() {
    Frame frame = Frame.GoAway.of(ReasonCode.DRAINING);
    channel.writeInbound(frame);
    assertThat(channel.<Frame>readInbound()).isSameAs(frame);
    assertNothingSent();
  }

  @Test
  void unwritableChannelSendsNoPong() {
    channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(0, 1));
    channel.write(Frame.Ping.of(0)); // not flushed, so the channel becomes unwritable
    assertThat(channel.isWritable()).isFalse();
    channel.writeInbound(Frame.Ping.of(1));
    channel.flush();
    assertThat(channel.<Frame>readOutbound()).isInstanceOf(Frame.Ping.class);
    assertNothingSent();
  }

  @Test
  void lastHeardNanosIsTimeOfLastFrame() {
    long added = heartbeat.lastHeardNanos();
    advanceMillis(7);
    assertThat(heartbeat.lastHeardNanos()).isEqualTo(added);
    receiveFrame();
    assertThat(heartbeat.lastHeardNanos() - added).isEqualTo(TimeUnit.MILLISECONDS.toNanos(7));
  }

  @Test
  void closeCancelsTimer() {
    channel.close();
    advanceMillis(100_000);
    assertThat(timeouts).isZero();
    assertNothingSent();
  }

  @Test
  void removalCancelsTimer() {
    channel.pipeline().remove(heartbeat);
    advanceMillis(100_000);
    assertThat(timeouts).isZero();
    assertNothingSent();
  }

  private void receiveFrame() {
    channel.writeInbound(Frame.Pong.of(0));
  }

  private void advanceMillis(long millis) {
    channel.advanceTimeBy(millis, TimeUnit.MILLISECONDS);
    channel.runScheduledPendingTasks();
  }

  private void assertPingSent() {
    assertThat(channel.<Frame>readOutbound()).isInstanceOf(Frame.Ping.class);
    assertNothingSent();
  }

  private void assertNothingSent() {
    assertThat(channel.outboundMessages()).isEmpty();
  }
}
