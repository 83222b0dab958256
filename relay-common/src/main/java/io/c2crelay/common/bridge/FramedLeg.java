package io.c2crelay.common.bridge;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.ConnectionError;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * The end of a data connection's pipeline while it carries a session: passes its events to the
 * {@link Bridge}.
 */
final class FramedLeg extends ChannelInboundHandlerAdapter {
  private final Bridge bridge;

  FramedLeg(Bridge bridge) {
    this.bridge = bridge;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    bridge.framedRead((Frame) msg);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    bridge.framedReadComplete();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    bridge.updateFlow();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ConnectionError) {
      bridge.framedError();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    bridge.framedClosed();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      bridge.abort(ReasonCode.PROTOCOL);
    } else {
      LegFaults.log(cause);
      bridge.framedFailed();
    }
  }
}
