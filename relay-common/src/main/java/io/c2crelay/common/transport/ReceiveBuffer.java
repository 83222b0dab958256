package io.c2crelay.common.transport;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.util.UncheckedBooleanSupplier;
import java.util.function.LongSupplier;

/**
 * Sizes the receive buffers of one channel. They are small until {@link #widen}, so that
 * unauthenticated peers use little memory, and then adapt to the traffic. Use on the channel's
 * event loop.
 */
@SuppressWarnings("deprecation") // RecvByteBufAllocator still requires the deprecated Handle
public final class ReceiveBuffer implements RecvByteBufAllocator {
  /** Maximum buffer of a channel before its session, in bytes. */
  public static final int INITIAL_MAX = 16 * 1024;

  /** Maximum buffer of a channel in a session, in bytes. */
  public static final int SESSION_MAX = 128 * 1024;

  private final AdaptiveRecvByteBufAllocator adaptive =
      new AdaptiveRecvByteBufAllocator(512, 2048, SESSION_MAX);
  private LongSupplier limit = () -> INITIAL_MAX;

  /**
   * Raises the limit of a channel's buffers to {@link #SESSION_MAX}. Ignores a channel with another
   * allocator.
   *
   * @param share returns the maximum number of bytes for the next read; values below {@link
   *     #INITIAL_MAX} are raised to it
   */
  public static void widen(Channel channel, LongSupplier share) {
    RecvByteBufAllocator allocator = channel.config().getRecvByteBufAllocator();
    if (allocator instanceof ReceiveBuffer) {
      ((ReceiveBuffer) allocator).limit =
          () -> Math.max(INITIAL_MAX, Math.min(SESSION_MAX, share.getAsLong()));
    }
  }

  /** Undoes {@link #widen}. */
  public static void narrow(Channel channel) {
    widen(channel, () -> INITIAL_MAX);
  }

  @Override
  public Handle newHandle() {
    return new LimitedHandle(adaptive.newHandle());
  }

  private final class LimitedHandle extends DelegatingHandle implements ExtendedHandle {
    private final ExtendedHandle handle;

    LimitedHandle(Handle handle) {
      super(handle);
      this.handle = (ExtendedHandle) handle;
    }

    @Override
    public int guess() {
      return (int) Math.min(super.guess(), limit.getAsLong());
    }

    @Override
    public ByteBuf allocate(ByteBufAllocator alloc) {
      return alloc.ioBuffer(guess());
    }

    @Override
    public boolean continueReading(UncheckedBooleanSupplier maybeMoreData) {
      return handle.continueReading(maybeMoreData);
    }
  }
}
