package io.c2crelay.common.keepalive;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HeartbeatTest {
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private int deaths;
  private final Heartbeat heartbeat = new Heartbeat(() -> deaths++);

  @BeforeEach
  void begin() {
    channel.freezeTime();
    channel.pipeline().addLast(heartbeat);
  }

  @AfterEach
  void close() {
    assertThat(channel.finishAndReleaseAll()).as("frames left over").isFalse();
  }

  @Test
  void aPingIsSentAfter10SecondsOfSilence() {
    pass(9_999);
    assertSilent();
    pass(1);
    assertPinged();
  }

  @Test
  void anyFrameDelaysThePing() {
    pass(9_000);
    hear();
    pass(9_999);
    assertSilent();
    pass(1);
    assertPinged();
  }

  @Test
  void onePingIsEnough() {
    pass(10_000);
    assertPinged();
    pass(14_999);
    assertSilent();
  }

  @Test
  void silenceOf25SecondsIsDeath() {
    pass(24_999);
    assertThat(deaths).isZero();
    pass(1);
    assertThat(deaths).isEqualTo(1);
    pass(100_000);
    assertThat(deaths).as("told once").isEqualTo(1);
    assertPinged();
  }

  @Test
  void silenceIsMeasuredFromTheLastFrame() {
    pass(24_999);
    assertPinged();
    hear();
    pass(10_000);
    assertPinged();
    pass(14_999);
    assertThat(deaths).isZero();
    pass(1);
    assertThat(deaths).isEqualTo(1);
  }

  /** The other end takes a connection not heard of for 12 s for one to avoid. */
  @Test
  void anAnsweredPingIsFollowedByTheNextAfter10SecondsEachTime() {
    for (int round = 0; round < 10; round++) {
      pass(10_000);
      assertPinged();
      pass(30);
      channel.writeInbound(Frame.Pong.of(1));
      pass(9_999);
      assertSilent();
      pass(1);
      assertPinged();
      channel.writeInbound(Frame.Pong.of(2));
    }
    assertThat(deaths).isZero();
  }

  @Test
  void aPingIsAnsweredWithItsValueAndNotPassedOn() {
    channel.writeInbound(Frame.Ping.of(0xfedcba9876543210L));
    Frame.Pong pong = channel.readOutbound();
    assertThat(pong.value()).isEqualTo(0xfedcba9876543210L);
    assertThat(channel.inboundMessages()).isEmpty();
  }

  @Test
  void aPongIsNotPassedOn() {
    channel.writeInbound(Frame.Pong.of(1));
    assertThat(channel.inboundMessages()).isEmpty();
    assertSilent();
  }

  @Test
  void anyOtherFrameIsPassedOn() {
    Frame frame = Frame.GoAway.of(ReasonCode.DRAINING);
    channel.writeInbound(frame);
    assertThat(channel.<Frame>readInbound()).isSameAs(frame);
    assertSilent();
  }

  @Test
  void aPeerThatAsksButDoesNotReadGetsNoAnswer() {
    channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(0, 1));
    channel.write(Frame.Ping.of(0)); // unflushed: it makes the channel unwritable
    assertThat(channel.isWritable()).isFalse();
    channel.writeInbound(Frame.Ping.of(1));
    channel.flush();
    assertThat(channel.<Frame>readOutbound()).isInstanceOf(Frame.Ping.class);
    assertSilent();
  }

  @Test
  void tellsWhenThePeerWasLastHeard() {
    long added = heartbeat.lastHeardNanos();
    pass(7);
    assertThat(heartbeat.lastHeardNanos()).isEqualTo(added);
    hear();
    assertThat(heartbeat.lastHeardNanos() - added).isEqualTo(TimeUnit.MILLISECONDS.toNanos(7));
  }

  @Test
  void aClosedConnectionHasNoTimerLeft() {
    channel.close();
    pass(100_000);
    assertThat(deaths).isZero();
    assertSilent();
  }

  @Test
  void onceRemovedItHasNoTimerLeft() {
    channel.pipeline().remove(heartbeat);
    pass(100_000);
    assertThat(deaths).isZero();
    assertSilent();
  }

  private void hear() {
    channel.writeInbound(Frame.Pong.of(0));
  }

  private void pass(long millis) {
    channel.advanceTimeBy(millis, TimeUnit.MILLISECONDS);
    channel.runScheduledPendingTasks();
  }

  private void assertPinged() {
    assertThat(channel.<Frame>readOutbound()).isInstanceOf(Frame.Ping.class);
    assertSilent();
  }

  private void assertSilent() {
    assertThat(channel.outboundMessages()).isEmpty();
  }
}
