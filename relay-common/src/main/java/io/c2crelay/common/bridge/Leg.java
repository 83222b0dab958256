package io.c2crelay.common.bridge;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.ConnectionError;
import io.c2crelay.common.transport.NioProbe;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.DecoderException;
import java.io.IOException;
import java.nio.channels.NotYetConnectedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One of the two connections of a session. The last handler of its pipeline: translates what the
 * connection does into calls of the {@link Bridge}, and what the bridge asks for into writes. All
 * methods run on the session's event loop.
 */
abstract class Leg extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(Leg.class);

  final Bridge bridge;
  final Channel channel;
  private volatile long bytesRead;

  Leg(Bridge bridge, Channel channel) {
    this.bridge = bridge;
    this.channel = channel;
  }

  /** Writes bytes without flushing; takes them over. */
  abstract void write(ByteBuf bytes);

  /** Ends the output behind the last byte, then calls {@link Bridge#outputEnded}. */
  abstract void shutdownOutput();

  /** A write failed. */
  abstract void writeFailed(Throwable cause);

  /** The other leg is gone: resets this one behind the last byte written to it. */
  abstract void resetBehindData(ReasonCode reason);

  /** Both directions have ended in order: closes this leg as well. */
  abstract void close();

  /** Resets this leg at once; the peer is told the reason if there is a way. */
  abstract void abort(ReasonCode reason);

  /** The reason if this leg ends without order. */
  abstract ReasonCode lostReason();

  /** Whether this leg may have been reset without a sign: see {@link #probe}. */
  boolean isUnwatched() {
    return !channel.config().isAutoRead();
  }

  /** Looks whether this leg was reset, where its transport does not report that. */
  void probe() {
    if (isUnwatched() && NioProbe.isReset(channel)) {
      bridge.error(this);
    }
  }

  /** Nothing more is delivered to this leg: counts what is lost. */
  void settle() {}

  /** Reading this leg was paused or resumed. */
  void flowUpdated() {}

  /** Session bytes read so far. On any thread. */
  long bytesRead() {
    return bytesRead;
  }

  @SuppressWarnings("NonAtomicVolatileUpdate") // one writer
  void countRead(int bytes) {
    bytesRead += bytes;
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    bridge.readComplete(this);
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    bridge.updateFlow();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ConnectionError) {
      bridge.error(this);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    bridge.closed(this);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    boolean network =
        cause instanceof IOException
            || cause instanceof NotYetConnectedException // ENOTCONN, after a reset
            || cause instanceof DecoderException;
    if (network) {
      log.debug("leg.failed cause={}", cause.toString());
    } else {
      log.error("leg.failed", cause);
    }
    bridge.lost(this, lostReason());
  }
}
