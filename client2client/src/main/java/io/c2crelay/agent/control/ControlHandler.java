package io.c2crelay.agent.control;

import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;

/** Passes the frames of an authenticated control connection to its owner. */
final class ControlHandler extends ChannelInboundHandlerAdapter {
  /** Handles the relay's requests, on the connection's event loop. */
  interface Owner {
    void dial(Frame.Dial dial);

    void goAway(ReasonCode reason);

    /** The connection failed; may be called more than once. */
    void lost(ReasonCode reason);
  }

  private final Owner owner;
  private final ServiceEvents events;

  ControlHandler(Owner owner, ServiceEvents events) {
    this.owner = owner;
    this.events = events;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (msg instanceof Frame.Dial) {
      owner.dial((Frame.Dial) msg);
    } else if (msg instanceof Frame.GoAway) {
      owner.goAway(((Frame.GoAway) msg).reason());
    } else {
      ReferenceCountUtil.release(msg);
      events.controlAborted(String.valueOf(msg));
      owner.lost(ReasonCode.PROTOCOL);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    owner.lost(ReasonCode.AGENT_LOST);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      events.controlAborted(cause.getMessage());
      owner.lost(ReasonCode.PROTOCOL);
    } else {
      events.controlBroken(cause);
      owner.lost(ReasonCode.AGENT_LOST);
    }
  }
}
