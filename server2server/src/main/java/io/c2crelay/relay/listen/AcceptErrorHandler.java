package io.c2crelay.relay.listen;

import io.c2crelay.relay.events.RelayEvents;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * The last handler of a listening socket's pipeline: logs that accepting failed. Netty has already
 * paused accepting for 1 s, which is appropriate if file descriptors run out.
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
