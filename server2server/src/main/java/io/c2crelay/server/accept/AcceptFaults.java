package io.c2crelay.server.accept;

import io.c2crelay.common.transport.Sockets;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The end of the listening socket's pipeline: says, at most every 10 s, that accepting failed.
 * Netty has paused it for 1 s by then, which is what running out of descriptors needs.
 */
public final class AcceptFaults extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(AcceptFaults.class);

  private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(10);

  private boolean said;
  private long saidNanos;

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    long now = ctx.executor().ticker().nanoTime();
    if (!said || now - saidNanos >= QUIET_NANOS) {
      said = true;
      saidNanos = now;
      log.error("accept.paused cause={}", Sockets.describe(cause));
    }
  }
}
