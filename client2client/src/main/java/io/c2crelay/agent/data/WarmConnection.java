package io.c2crelay.agent.data;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import org.jspecify.annotations.Nullable;

/** A data connection without a session: answers PING, and starts a session at START. */
final class WarmConnection extends ChannelInboundHandlerAdapter {
  private final DataDialer dialer;

  private WarmConnection(DataDialer dialer) {
    this.dialer = dialer;
  }

  /** Adds the handler to a connection that has no session, or no longer. */
  static void addTo(Channel data, DataDialer dialer) {
    data.pipeline().addLast("warm", new WarmConnection(dialer));
    dialer.sessionless(data);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (msg instanceof Frame.Ping) {
      if (ctx.channel().isWritable()) {
        ctx.writeAndFlush(Frame.Pong.of(((Frame.Ping) msg).value()));
      }
    } else if (msg instanceof Frame.Start) {
      Channel data = ctx.channel();
      dialer.sessions().start(data, (Frame.Start) msg, dialer);
      dialer.sessionStarted(data); // after start(), so that a drain always sees it
      ctx.pipeline().remove(this);
    } else {
      ReferenceCountUtil.release(msg);
      abort(ctx, String.valueOf(msg));
    }
  }

  private void abort(ChannelHandlerContext ctx, @Nullable String detail) {
    dialer.events().dataAborted(ctx.channel().remoteAddress(), detail);
    Sockets.reset(ctx.channel());
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(ctx, cause.getMessage());
    } else {
      dialer.events().dataLost(cause);
      Sockets.reset(ctx.channel());
    }
  }
}
