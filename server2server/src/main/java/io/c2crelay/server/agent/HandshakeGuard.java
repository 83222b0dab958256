package io.c2crelay.server.agent;

import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.Source;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bounds a connection that has shown the magic and nothing more: 10 s, 16 KiB read, and its place
 * among {@link HandshakeLimits}. First in the pipeline until {@link #admitted}.
 */
final class HandshakeGuard extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(HandshakeGuard.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "handshake.dropped", 10);

  private static final long LIMIT_SECONDS = 10;
  private static final int MAX_BYTES = 16 * 1024;

  private final Channel channel;
  private final Source source;
  private final HandshakeLimits limits;
  private @Nullable Future<?> timer;
  private int bytes;
  private boolean over;

  HandshakeGuard(Channel channel, Source source, HandshakeLimits limits) {
    this.channel = channel;
    this.source = source;
    this.limits = limits;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    timer = ctx.executor().schedule(() -> drop("TIME"), LIMIT_SECONDS, TimeUnit.SECONDS);
    HandshakeGuard oldest = limits.enter(source, this);
    if (oldest != null) {
      Sockets.run(oldest.channel, () -> oldest.drop("LIMIT"));
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    bytes += ((ByteBuf) msg).readableBytes();
    if (bytes > MAX_BYTES) {
      ((ByteBuf) msg).release();
      drop("BYTES");
    } else {
      ctx.fireChannelRead(msg);
    }
  }

  Source source() {
    return source;
  }

  /** The connection is authenticated: it is bounded no more. */
  void admitted() {
    if (!over) {
      channel.pipeline().remove(this);
    }
  }

  private void drop(String reason) {
    if (!over) {
      if (THROTTLE.allows()) {
        log.info(
            "handshake.dropped from={} reason={}", Sockets.text(channel.remoteAddress()), reason);
      }
      Sockets.reset(channel);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    leave();
    ctx.fireChannelInactive();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    leave();
  }

  private void leave() {
    over = true;
    if (timer != null) {
      timer.cancel(false);
    }
    limits.leave(source, this);
  }
}
