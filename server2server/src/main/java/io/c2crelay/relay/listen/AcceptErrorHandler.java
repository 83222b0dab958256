package io.c2crelay.relay.listen;

import io.c2crelay.relay.events.RelayEvents;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * The end of the listening socket's pipeline: says that accepting failed. Netty has paused it for 1
 * s by then, which is what running out of descriptors needs.
 */
final class AcceptErrorHandler extends ChannelInboundHandlerAdapter {

  private final RelayEvents events;

  AcceptErrorHandler(RelayEvents events) {
    this.events = events;
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    events.acceptPaused(cause);
  }
}
