package io.c2crelay.relay.auth;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.VersionRefusal;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;

/**
 * Answers an agent without a common protocol version: writes a {@link VersionRefusal} and a FIN,
 * then discards input until the agent's FIN or for 1 s. A close with unread input would send a
 * reset (RFC 9293, section 3.6.1), and the agent could lose the refusal.
 */
public final class VersionRefuser extends ChannelInboundHandlerAdapter {
  private static final long LINGER_SECONDS = 1;

  private final SocketChannel channel;
  private final ClientAddress client;
  private final Preamble preamble;
  private final RelayEvents events;

  /** Creates a handler for the input after the preamble. */
  public VersionRefuser(
      SocketChannel channel, ClientAddress client, Preamble preamble, RelayEvents events) {
    this.channel = channel;
    this.client = client;
    this.preamble = preamble;
    this.events = events;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    events.agentRefused(client.remote(), preamble);
    ByteBuf refusal = ctx.alloc().buffer(VersionRefusal.LENGTH);
    VersionRefusal.ofThisBuild().write(refusal);
    ctx.writeAndFlush(refusal)
        .addListener(
            (ChannelFutureListener)
                written -> {
                  if (written.isSuccess()) {
                    channel.shutdownOutput();
                  } else {
                    channel.close();
                  }
                });
    ctx.executor().schedule(() -> channel.close(), LINGER_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    ReferenceCountUtil.release(msg);
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      ctx.close();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close();
  }
}
