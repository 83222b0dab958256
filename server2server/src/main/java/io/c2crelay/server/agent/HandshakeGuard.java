package io.c2crelay.server.agent;

import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.ConnectionLimit;
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
 * among those of its kind. First in the pipeline until {@link #admitted}.
 */
final class HandshakeGuard extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(HandshakeGuard.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "handshake.dropped", 10);

  private static final long LIMIT_SECONDS = 10;
  private static final int MAX_BYTES = 16 * 1024;

  /** How many there may be, unless they come from an agent's address. */
  static ConnectionLimit<HandshakeGuard> limitOfStrangers() {
    return ConnectionLimit.of(256, 64);
  }

  /**
   * From an attached agent's address: some of them are its dials, of which it has at most 64 in
   * handshake, and which strangers must not crowd out.
   */
  static ConnectionLimit<HandshakeGuard> limitOfNeighbours() {
    return ConnectionLimit.of(1024, 512);
  }

  private final Channel channel;
  private final Source source;
  private final ConnectionLimit<HandshakeGuard> limit;
  private @Nullable Future<?> timer;
  private int bytes;
  private boolean over;

  HandshakeGuard(Channel channel, Source source, ConnectionLimit<HandshakeGuard> limit) {
    this.channel = channel;
    this.source = source;
    this.limit = limit;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    timer = ctx.executor().schedule(() -> drop("TIME"), LIMIT_SECONDS, TimeUnit.SECONDS);
    HandshakeGuard oldest = limit.enter(source, this);
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
    limit.leave(source, this);
  }
}
