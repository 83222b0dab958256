package io.c2crelay.common.splice;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.ConnectionError;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * The end of a data connection's pipeline while it carries a session: passes its events to the
 * {@link Splice}.
 */
final class FramedLeg extends ChannelInboundHandlerAdapter {
  private final Splice splice;

  FramedLeg(Splice splice) {
    this.splice = splice;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    splice.framedRead((Frame) msg);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    splice.framedReadComplete();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    splice.updateFlow();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ConnectionError) {
      splice.framedError();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    splice.framedClosed();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      splice.abort(ReasonCode.PROTOCOL);
    } else {
      LegFaults.log(cause);
      splice.framedFailed();
    }
  }
}
