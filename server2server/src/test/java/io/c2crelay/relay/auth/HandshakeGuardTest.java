package io.c2crelay.relay.auth;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HandshakeGuardTest {
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private final HandshakeGuard guard =
      new HandshakeGuard(
          channel,
          ClientAddress.of(
              new InetSocketAddress("198.51.100.7", 1), new InetSocketAddress("192.0.2.1", 4000)),
          HandshakeGuard.newLimit(),
          new RelayEvents());

  @BeforeEach
  void add() {
    channel.freezeTime();
    channel.pipeline().addLast(guard);
  }

  @AfterEach
  void release() {
    channel.finishAndReleaseAll();
  }

  @Test
  void closesAfterTenSeconds() {
    advance(9999);
    assertThat(channel.isOpen()).isTrue();
    advance(1);
    assertThat(channel.isOpen()).isFalse();
  }

  @Test
  void closesAfter16Kibibytes() {
    receive(16 * 1024);
    assertThat(channel.isOpen()).isTrue();
    receive(1);
    assertThat(channel.isOpen()).isFalse();
  }

  /** Records without content cost TLS work as well, but do not reach the guard. */
  @Test
  void closesAfter24KibibytesOutsideOfTlsFirst() {
    channel.pipeline().addFirst(guard.newOuterGuard());
    channel
        .pipeline()
        .addBefore(
            channel.pipeline().context(guard).name(),
            "tls-first",
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelRead(ChannelHandlerContext ctx, Object msg) {
                ReferenceCountUtil.release(msg); // has no content
              }
            });
    receive(24 * 1024);
    assertThat(channel.isOpen()).isTrue();
    receive(1);
    assertThat(channel.isOpen()).isFalse();
  }

  @Test
  void admittedConnectionIsUnboundedOutsideOfTlsFirst() {
    channel.pipeline().addFirst(guard.newOuterGuard());
    guard.admitted();
    receive(24 * 1024 + 1);
    assertThat(channel.isOpen()).isTrue();
  }

  @Test
  void admittedConnectionIsUnbounded() {
    guard.admitted();
    receive(16 * 1024 + 1);
    advance(60_000);
    assertThat(channel.isOpen()).isTrue();
    assertThat(channel.pipeline().get(HandshakeGuard.class)).isNull();
  }

  private void receive(int bytes) {
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[bytes]));
  }

  private void advance(long millis) {
    channel.advanceTimeBy(millis, MILLISECONDS);
    channel.runScheduledPendingTasks();
    channel.runPendingTasks();
  }
}
