package io.c2crelay.common.bridge;

import io.c2crelay.common.transport.ConnectionError;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;

/** The end of a user's or target's pipeline: passes its events to the {@link Bridge}. */
final class RawLeg extends ChannelInboundHandlerAdapter {
  private final Bridge bridge;

  RawLeg(Bridge bridge) {
    this.bridge = bridge;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    bridge.rawRead((ByteBuf) msg);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    bridge.rawReadComplete();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      bridge.rawInputEnded();
    } else if (event instanceof ConnectionError) {
      bridge.rawError();
    }
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    bridge.updateFlow();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    bridge.rawClosed();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LegFaults.log(cause);
    bridge.rawClosed();
  }
}
