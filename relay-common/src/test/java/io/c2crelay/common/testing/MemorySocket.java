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
 * A socket in memory: the channel of one end, and by the methods named for the peer, the other end
 * with the kernel between. What the peer sends is read when the channel reads, a FIN after the last
 * byte, a reset at once. Unlike Netty's embedded channel it runs no task within a call: register it
 * with any loop, run that loop, and {@link #pump}.
 */
public final class MemorySocket extends AbstractChannel implements DuplexChannel {
  private static final ChannelMetadata METADATA = new ChannelMetadata(false);

  /** As much as a channel reads at once. */
  private static final int MAX_READ = 64 * 1024;

  private final ChannelConfig config =
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
  private final boolean allowHalfClosure;
  private final InetSocketAddress remote;
  private final Deque<byte[]> underWay = new ArrayDeque<>();
  private final ByteArrayOutputStream arrived = new ByteArrayOutputStream();
  private boolean open = true;
  private boolean active;
  private boolean lingersNot;
  private boolean outputShut;
  private boolean inputShut;
  private boolean peerFinished;
  private boolean peerReset;
  private boolean peerStalled;
  private Throwable unhandled;

  /**
   * @param allowHalfClosure whether the channel lives on after the peer's FIN
   * @param allocator of all that is read
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

  /** Nothing follows a FIN or a reset. */
  public boolean peerMaySend() {
    return open && !peerFinished && !peerReset;
  }

  public void peerSends(byte[] bytes) {
    for (int at = 0; peerMaySend() && at < bytes.length; at += MAX_READ) {
      underWay.add(Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + MAX_READ)));
    }
  }

  public void peerFinishes() {
    peerFinished |= peerMaySend();
  }

  public void peerResets() {
    peerReset |= open;
  }

  /** From now on the peer takes nothing. */
  public void peerStalls() {
    peerStalled = true;
  }

  /** The peer takes what waits for it. */
  public void peerGoesOn() {
    peerStalled = false;
    if (open) {
      unsafe().flush();
    }
  }

  /** All that has arrived at the peer since the last call. */
  public byte[] peerTakes() {
    byte[] bytes = arrived.toByteArray();
    arrived.reset();
    return bytes;
  }

  /** Whether the peer was told, in order, that no more will come. */
  public boolean peerSawFin() {
    return !peerReset && (outputShut || (!open && !lingersNot));
  }

  /**
   * Passes on what the channel reads.
   *
   * @return whether there was anything
   */
  public boolean pump() {
    boolean any = false;
    while (reads() && !underWay.isEmpty()) {
      any = true;
      byte[] bytes = underWay.remove();
      pipeline().fireChannelRead(alloc().buffer(bytes.length).writeBytes(bytes));
      pipeline().fireChannelReadComplete();
    }
    if (reads() && peerFinished && !inputShut) {
      any = true;
      finRead();
    }
    if (peerReset && open && isRegistered()) {
      any = true;
      resetRead();
    }
    return any;
  }

  private boolean reads() {
    return !peerReset && open && isRegistered() && config.isAutoRead();
  }

  private void finRead() {
    inputShut = true;
    if (allowHalfClosure) {
      pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    } else {
      unsafe().close(voidPromise());
    }
  }

  /** As epoll tells it. */
  private void resetRead() {
    pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
    if (open && allowHalfClosure && !inputShut) {
      finRead();
    }
    unsafe().close(voidPromise());
  }

  /** Fails if an exception has reached the end of the pipeline, where Netty would log it. */
  public void checkExceptionsHandled() {
    if (unhandled != null) {
      throw new AssertionError("nobody handled this", unhandled);
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
      bytes.getBytes(bytes.readerIndex(), arrived, bytes.readableBytes());
      in.remove();
    }
  }

  @Override
  protected void doShutdownOutput() {
    outputShut = true;
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
    return outputShut;
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
    return inputShut;
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
    return inputShut && outputShut;
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
