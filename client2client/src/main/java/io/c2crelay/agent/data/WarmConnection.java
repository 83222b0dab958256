package io.c2crelay.agent.data;

import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A data connection without a session: answers PING, and starts a session at START. */
final class WarmConnection extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(WarmConnection.class);

  private final DataDialer dialer;

  WarmConnection(DataDialer dialer) {
    this.dialer = dialer;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (msg instanceof Frame.Ping) {
      if (ctx.channel().isWritable()) {
        ctx.writeAndFlush(Frame.Pong.of(((Frame.Ping) msg).value()));
      }
    } else if (msg instanceof Frame.Start) {
      dialer.sessions().start(ctx.channel(), (Frame.Start) msg);
      dialer.sessionStarted(ctx.channel()); // after start(), so that a drain sees it in one place
      ctx.pipeline().remove(this);
    } else {
      ReferenceCountUtil.release(msg);
      abort(ctx, String.valueOf(msg));
    }
  }

  private static void abort(ChannelHandlerContext ctx, @Nullable String detail) {
    log.warn(
        "data.aborted relay={} reason=PROTOCOL detail={}",
        Sockets.text(ctx.channel().remoteAddress()),
        LogText.value(detail));
    Sockets.reset(ctx.channel());
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(ctx, cause.getMessage());
    } else {
      log.debug("data.lost cause={}", Sockets.describe(cause));
      Sockets.reset(ctx.channel());
    }
  }
}
