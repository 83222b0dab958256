package io.c2crelay.common.bridge;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.NioProbe;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.SystemError;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import org.jspecify.annotations.Nullable;

/** The user's or the target's connection: bytes, FIN and RST. */
final class RawLeg extends Leg {
  /** Payloads smaller than this, in bytes, are copied out of their receive buffer. */
  private static final int SMALL = 512;

  private final DuplexChannel raw;
  private final ReasonCode lostReason;
  private long bytesDelivered;
  private boolean outputShut;

  /** A write failed, which means a reset. Bytes that the peer sent before are still read. */
  private boolean outputLost;

  /** False after a reset that the transport may report as an end of input. */
  private boolean finIsCertain = true;

  private @Nullable DelayedReset delayedReset;

  RawLeg(Bridge bridge, DuplexChannel raw, ReasonCode lostReason) {
    super(bridge, raw);
    this.raw = raw;
    this.lostReason = lostReason;
  }

  /** Takes over the connection. The handlers in its pipeline must pass on everything they hold. */
  void attach() {
    Sockets.resetOnClose(raw, true); // until the session is done, however this process ends
    raw.config().setAutoClose(false); // a failed write must not end reading
    raw.pipeline().addLast("raw-leg", this);
  }

  /** Undoes {@link #attach}. */
  void detach() {
    raw.pipeline().remove(this);
    raw.config().setAutoClose(true);
    raw.config().setAutoRead(true);
  }

  /** Bytes that the peer has received so far, as far as is known. */
  long bytesDelivered() {
    return bytesDelivered;
  }

  @Override
  ReasonCode lostReason() {
    return lostReason;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    bridge.read(this, (ByteBuf) msg);
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      if (finIsCertain) {
        bridge.inputEnded(this);
      }
      if (outputLost) {
        bridge.lost(this, lostReason);
      }
    } else {
      super.userEventTriggered(ctx, event);
    }
  }

  @Override
  void write(ByteBuf bytes) {
    if (outputLost) {
      bytes.release();
      return;
    }
    int length = bytes.readableBytes();
    raw.write(compact(bytes))
        .addListener(
            (ChannelFutureListener)
                write -> {
                  if (write.isSuccess()) {
                    bytesDelivered += length;
                  }
                  bridge.flowTo(this).operationComplete(write);
                });
  }

  /** Copies a small payload, so that it does not retain its large receive buffer. */
  private ByteBuf compact(ByteBuf bytes) {
    if (bytes.readableBytes() >= SMALL) {
      return bytes;
    }
    ByteBuf copy = raw.alloc().directBuffer(bytes.readableBytes()).writeBytes(bytes);
    bytes.release();
    return copy;
  }

  @Override
  void shutdownOutput() {
    if (outputLost) {
      return;
    }
    // shutdownOutput fails queued writes, so call it after the last byte
    raw.writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            (ChannelFuture write) -> {
              if (bridge.isOver()) {
                return;
              }
              if (!write.isSuccess()) {
                writeFailed(write.cause());
                return;
              }
              bridge.flowTo(this).sinkDone(); // a channel without output has no figures
              raw.shutdownOutput().addListener(shut -> outputShut(shut.cause()));
            });
  }

  private void outputShut(@Nullable Throwable failure) {
    if (failure == null) {
      outputShut = true;
      bridge.outputEnded(this);
    } else {
      writeFailed(failure);
    }
  }

  @Override
  void writeFailed(Throwable cause) {
    if (bridge.isOver() || outputLost) {
      return;
    }
    outputLost = true;
    finIsCertain = SystemError.isBrokenPipe(cause);
    bridge.flowTo(this).sinkDone();
    bridge.error(this);
    flowUpdated();
  }

  /**
   * Aborts a failed connection that is not read: NIO would select it for writing in a busy loop.
   */
  @Override
  void flowUpdated() {
    boolean unread = outputLost && !raw.config().isAutoRead() && !bridge.isOver();
    if (unread && NioProbe.isNio(raw)) {
      bridge.abort(lostReason);
    }
  }

  @Override
  boolean isUnwatched() {
    return bridge.hasInputEnded(this) ? !outputShut : super.isUnwatched();
  }

  @Override
  void resetBehindData(ReasonCode reason) {
    raw.config().setAutoRead(false);
    delayedReset = DelayedReset.of(raw, lost -> bytesDelivered -= lost);
  }

  @Override
  void settle() {
    if (delayedReset != null) {
      delayedReset.now();
    }
  }

  /** Both directions have ended gracefully. */
  void close() {
    Sockets.resetOnClose(raw, false);
    raw.close();
  }

  @Override
  void abort(ReasonCode reason) {
    Sockets.reset(raw);
  }
}
