package io.c2crelay.common.bridge;

import io.c2crelay.common.transport.ConnectionError;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/**
 * An {@link EmbeddedChannel} that behaves as a socket's does: it can be half-closed (through
 * Netty's own code, which drops what is queued), and stalled, as if the peer took no bytes.
 */
final class SocketlessChannel extends EmbeddedChannel implements DuplexChannel {
  private AbstractUnsafe realUnsafe; // set while the superclass is built: no initializer
  private boolean stalled;
  private IOException fault;
  private boolean outputShutdown;
  private boolean inputShutdown;
  private boolean lingersNot;
  private ChannelConfig ownConfig;

  SocketlessChannel() {
    freezeTime();
    config().setAutoRead(false);
  }

  @Override
  protected AbstractUnsafe newUnsafe() {
    realUnsafe = super.newUnsafe();
    return realUnsafe;
  }

  @Override
  public ChannelConfig config() {
    if (ownConfig == null) {
      ownConfig =
          new DefaultChannelConfig(this) {
            @Override
            public <T> boolean setOption(ChannelOption<T> option, T value) {
              if (option == ChannelOption.SO_LINGER) {
                lingersNot = value.equals(0);
                return true;
              }
              return super.setOption(option, value);
            }
          };
    }
    return ownConfig;
  }

  /** Whether it was closed in the way that TCP shows to the peer as a reset. */
  boolean isReset() {
    return !isOpen() && lingersNot;
  }

  /** Whether it was closed in order. */
  boolean isClosed() {
    return !isOpen() && !lingersNot;
  }

  @Override
  protected void doWrite(ChannelOutboundBuffer in) throws Exception {
    if (fault != null && in.current() != null) {
      throw fault;
    }
    if (!stalled) {
      super.doWrite(in);
    }
  }

  @Override
  protected void doShutdownOutput() {
    outputShutdown = true;
  }

  /** From now on the peer takes nothing. */
  void stall() {
    stalled = true;
  }

  /** From now on a write fails, in the kernel's words. */
  void failWrites(String words) {
    fault = new IOException("write(..) failed with error(-1): " + words);
  }

  /** The peer takes what is queued. */
  void goOn() {
    stalled = false;
    flush();
    runPendingTasks();
  }

  /** The peer's FIN. */
  void receiveFin() {
    inputShutdown = true;
    pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    runPendingTasks();
  }

  /** The transport reports an error, before what was received is read. */
  void reportError() {
    pipeline().fireUserEventTriggered(ConnectionError.INSTANCE);
    runPendingTasks();
  }

  /** The peer's RST. */
  void receiveReset() {
    pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
    runPendingTasks();
  }

  /** What was written since the last call, as hex; released. */
  String written() {
    StringBuilder hex = new StringBuilder();
    for (ByteBuf part = readOutbound(); part != null; part = readOutbound()) {
      hex.append(ByteBufUtil.hexDump(part));
      part.release();
    }
    return hex.toString();
  }

  void pass(long duration, TimeUnit unit) {
    advanceTimeBy(duration, unit);
    runScheduledPendingTasks();
  }

  @Override
  public boolean isOutputShutdown() {
    return outputShutdown;
  }

  @Override
  public ChannelFuture shutdownOutput() {
    return shutdownOutput(newPromise());
  }

  @Override
  public ChannelFuture shutdownOutput(ChannelPromise promise) {
    realUnsafe.shutdownOutput(promise);
    runPendingTasks();
    return promise;
  }

  @Override
  public boolean isInputShutdown() {
    return inputShutdown;
  }

  @Override
  public ChannelFuture shutdownInput() {
    return shutdownInput(newPromise());
  }

  @Override
  public ChannelFuture shutdownInput(ChannelPromise promise) {
    return promise.setFailure(new UnsupportedOperationException());
  }

  @Override
  public boolean isShutdown() {
    return inputShutdown && outputShutdown;
  }

  @Override
  public ChannelFuture shutdown() {
    return shutdown(newPromise());
  }

  @Override
  public ChannelFuture shutdown(ChannelPromise promise) {
    return promise.setFailure(new UnsupportedOperationException());
  }
}
