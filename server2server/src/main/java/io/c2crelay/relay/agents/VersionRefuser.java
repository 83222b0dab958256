package io.c2crelay.relay.agents;

import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.VersionRefusal;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers an agent without a common protocol version: writes a {@link VersionRefusal} and a FIN,
 * then discards input until the agent's FIN or for 1 s. A close with unread input would send a
 * reset (RFC 9293, section 3.6.1), and the agent could lose the refusal.
 */
final class VersionRefuser extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(VersionRefuser.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "agent.refused", 10);

  private static final long LINGER_SECONDS = 1;

  private final SocketChannel channel;
  private final Preamble preamble;

  VersionRefuser(SocketChannel channel, Preamble preamble) {
    this.channel = channel;
    this.preamble = preamble;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    if (THROTTLE.allows()) {
      log.warn(
          "agent.refused from={} reason=VERSION agent_versions={}-{} relay_versions={}-{}",
          Sockets.text(channel.remoteAddress()),
          preamble.lowestVersion(),
          preamble.highestVersion(),
          RelayProtocol.LOWEST_VERSION,
          RelayProtocol.HIGHEST_VERSION);
    }
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
