package io.c2crelay.common.testing;

import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.AbstractChannel;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelMetadata;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.DefaultChannelPipeline;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/**
 * An in-memory socket: the channel of one end, and the peer through the methods named for it. The
 * channel reads the peer's bytes in order, a FIN after the last byte, and a reset at once. Unlike
 * {@code EmbeddedChannel}, it runs no tasks within a call: register it with an event loop, run that
 * loop and call {@link #pump}.
 */
public final class MemorySocket extends AbstractChannel implements DuplexChannel {
  private static final ChannelMetadata METADATA = new ChannelMetadata(false);

  /** Maximum size of one read, in bytes. */
  private static final int MAX_READ = 64 * 1024;

  private final ChannelConfig config =
      new DefaultChannelConfig(this) {
        @Override
        public <T> boolean setOption(ChannelOption<T> option, T value) {
          if (option == ChannelOption.SO_LINGER) {
            resetOnClose = value.equals(0);
            return true;
          }
          return super.setOption(option, value);
        }
      };
  private final boolean allowHalfClosure;
  private final InetSocketAddress remote;
  private final Deque<byte[]> inFlight = new ArrayDeque<>();
  private final ByteArrayOutputStream received = new ByteArrayOutputStream();
  private boolean open = true;
  private boolean active;
  private boolean resetOnClose;
  private boolean outputShutdown;
  private boolean inputShutdown;
  private boolean peerSentFin;
  private boolean peerReset;
  private boolean peerStalled;
  private Throwable unhandled;

  /**
   * @param allowHalfClosure whether the channel stays open after the peer's FIN
   * @param allocator allocates the buffers that are read
   */
  public MemorySocket(
      InetSocketAddress remote, boolean allowHalfClosure, ByteBufAllocator allocator) {
    super(null);
    this.remote = remote;
    this.allowHalfClosure = allowHalfClosure;
    config.setAllocator(allocator);
    config.setWriteBufferWaterMark(Sockets.WATER_MARK);
  }

  // --- the peer ---

  /** Returns false once the peer has sent a FIN or reset, or the channel is closed. */
  public boolean peerMaySend() {
    return open && !peerSentFin && !peerReset;
  }

  public void peerSends(byte[] bytes) {
    for (int at = 0; peerMaySend() && at < bytes.length; at += MAX_READ) {
      inFlight.add(Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + MAX_READ)));
    }
  }

  public void peerFinishes() {
    peerSentFin |= peerMaySend();
  }

  public void peerResets() {
    peerReset |= open;
  }

  /** Stops the peer from reading. */
  public void peerStalls() {
    peerStalled = true;
  }

  /** Lets the peer read again. */
  public void peerGoesOn() {
    peerStalled = false;
    if (open) {
      unsafe().flush();
    }
  }

  /** Returns the bytes that the peer has received since the last call. */
  public byte[] peerTakes() {
    byte[] bytes = received.toByteArray();
    received.reset();
    return bytes;
  }

  /** Returns whether the peer received a FIN. */
  public boolean peerSawFin() {
    return !peerReset && (outputShutdown || (!open && !resetOnClose));
  }

  /**
   * Delivers the peer's bytes, FIN and reset to the channel.
   *
   * @return whether there was anything to deliver
   */
  public boolean pump() {
    boolean any = false;
    while (canRead() && !inFlight.isEmpty()) {
      any = true;
      byte[] bytes = inFlight.remove();
      pipeline().fireChannelRead(alloc().buffer(bytes.length).writeBytes(bytes));
      pipeline().fireChannelReadComplete();
    }
    if (canRead() && peerSentFin && !inputShutdown) {
      any = true;
      readFin();
    }
    if (peerReset && open && isRegistered()) {
      any = true;
      readReset();
    }
    return any;
  }

  private boolean canRead() {
    return !peerReset && open && isRegistered() && config.isAutoRead();
  }

  private void readFin() {
    inputShutdown = true;
    if (allowHalfClosure) {
      pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    } else {
      unsafe().close(voidPromise());
    }
  }

  /** Reports the reset as Netty's epoll transport does. */
  private void readReset() {
    pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
    if (open && allowHalfClosure && !inputShutdown) {
      readFin();
    }
    unsafe().close(voidPromise());
  }

  /** Fails if an exception has reached the end of the pipeline. */
  public void checkExceptionsHandled() {
    if (unhandled != null) {
      throw new AssertionError("unhandled exception", unhandled);
    }
  }

  // --- the channel ---

  @Override
  protected DefaultChannelPipeline newChannelPipeline() {
    return new DefaultChannelPipeline(this) {
      @Override
      protected void onUnhandledInboundException(Throwable cause) {
        unhandled = cause;
      }
    };
  }

  @Override
  protected AbstractUnsafe newUnsafe() {
    return new AbstractUnsafe() {
      @Override
      public void connect(SocketAddress to, SocketAddress from, ChannelPromise promise) {
        promise.setFailure(new UnsupportedOperationException());
      }
    };
  }

  @Override
  protected void doRegister(ChannelPromise promise) {
    active = open;
    promise.setSuccess();
  }

  @Override
  protected void doWrite(ChannelOutboundBuffer in) throws IOException {
    for (ByteBuf bytes = (ByteBuf) in.current();
        bytes != null && (!peerStalled || !bytes.isReadable());
        bytes = (ByteBuf) in.current()) {
      bytes.getBytes(bytes.readerIndex(), received, bytes.readableBytes());
      in.remove();
    }
  }

  @Override
  protected void doShutdownOutput() {
    outputShutdown = true;
  }

  @Override
  protected void doClose() {
    open = false;
    active = false;
  }

  @Override
  protected void doBind(SocketAddress address) {}

  @Override
  protected void doDisconnect() {
    doClose();
  }

  @Override
  protected void doBeginRead() {}

  @Override
  protected boolean isCompatible(EventLoop loop) {
    return true;
  }

  @Override
  protected SocketAddress localAddress0() {
    return new InetSocketAddress("192.0.2.1", 4000);
  }

  @Override
  protected SocketAddress remoteAddress0() {
    return remote;
  }

  @Override
  public ChannelConfig config() {
    return config;
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public boolean isActive() {
    return active;
  }

  @Override
  public ChannelMetadata metadata() {
    return METADATA;
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
    ((AbstractUnsafe) unsafe()).shutdownOutput(promise);
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
