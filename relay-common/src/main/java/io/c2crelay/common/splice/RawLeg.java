package io.c2crelay.common.splice;

import io.c2crelay.common.transport.ConnectionError;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;

/** The end of a user's or target's pipeline: passes its events to the {@link Splice}. */
final class RawLeg extends ChannelInboundHandlerAdapter {
  private final Splice splice;

  RawLeg(Splice splice) {
    this.splice = splice;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    splice.rawRead((ByteBuf) msg);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    splice.rawReadComplete();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      splice.rawInputEnded();
    } else if (event instanceof ConnectionError) {
      splice.rawError();
    }
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    splice.updateFlow();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    splice.rawClosed();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LegFaults.log(cause);
    splice.rawClosed();
  }
}
