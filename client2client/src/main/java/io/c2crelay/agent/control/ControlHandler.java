package io.c2crelay.agent.control;

import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Passes the frames of an authenticated control connection to its owner. */
final class ControlHandler extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(ControlHandler.class);

  /** Handles the relay's requests, on the connection's event loop. */
  interface Owner {
    void dial(Frame.Dial dial);

    void goAway(ReasonCode reason);

    /** The connection failed; may be called more than once. */
    void lost(ReasonCode reason);
  }

  private final Owner owner;

  ControlHandler(Owner owner) {
    this.owner = owner;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (msg instanceof Frame.Dial) {
      owner.dial((Frame.Dial) msg);
    } else if (msg instanceof Frame.GoAway) {
      owner.goAway(((Frame.GoAway) msg).reason());
    } else {
      ReferenceCountUtil.release(msg);
      log.warn("control.aborted reason=PROTOCOL detail={}", LogText.value(msg));
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
      log.warn("control.aborted reason=PROTOCOL detail={}", LogText.value(cause.getMessage()));
      owner.lost(ReasonCode.PROTOCOL);
    } else {
      log.debug("control.failed cause={}", Sockets.describe(cause));
      owner.lost(ReasonCode.AGENT_LOST);
    }
  }
}
