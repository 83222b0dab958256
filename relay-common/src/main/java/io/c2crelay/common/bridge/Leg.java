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
 * One of the two connections of a session. The last handler of its pipeline: translates connection
 * events into calls of the {@link Bridge}, and the bridge's requests into writes. All methods run
 * on the session's event loop.
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

  /** Writes without flushing; takes ownership of {@code bytes}. */
  abstract void write(ByteBuf bytes);

  /** Ends the output after the last byte, then calls {@link Bridge#outputEnded}. */
  abstract void shutdownOutput();

  /** A write failed. */
  abstract void writeFailed(Throwable cause);

  /** The other leg is lost: resets this one after the last byte written to it. */
  abstract void resetBehindData(ReasonCode reason);

  /** Resets this leg at once; sends the reason to the peer if possible. */
  abstract void abort(ReasonCode reason);

  /** The reason to report if this leg is lost. */
  abstract ReasonCode lostReason();

  /** Whether a reset of this leg may be unreported: see {@link #probe}. */
  boolean isUnwatched() {
    return !channel.config().isAutoRead();
  }

  /** Checks whether this leg was reset, for transports that do not report it. */
  void probe() {
    if (isUnwatched() && NioProbe.isReset(channel)) {
      bridge.error(this);
    }
  }

  /** No more bytes are delivered to this leg: counts the lost ones. */
  void settle() {}

  /** Reading this leg was paused or resumed. */
  void flowUpdated() {}

  /** Session bytes read so far. Safe on any thread. */
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
