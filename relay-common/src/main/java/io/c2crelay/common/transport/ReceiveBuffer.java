package io.c2crelay.common.transport;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.util.UncheckedBooleanSupplier;
import java.util.function.LongSupplier;

/**
 * Sizes one channel's receive buffers: small until {@link #widen}, so that strangers cost little,
 * then as large as the traffic asks for. Used on the channel's event loop.
 */
@SuppressWarnings(
    "deprecation") // Netty's Handle: the interface to implement is still the deprecated one
public final class ReceiveBuffer implements RecvByteBufAllocator {
  /** Largest buffer, in bytes, of a channel that nobody vouches for yet. */
  public static final int NARROW = 16 * 1024;

  /** Largest buffer, in bytes, of a channel that carries a session. */
  public static final int WIDE = 128 * 1024;

  private final AdaptiveRecvByteBufAllocator adaptive =
      new AdaptiveRecvByteBufAllocator(512, 2048, WIDE);
  private LongSupplier limit = () -> NARROW;

  /**
   * Lets the buffers of a channel grow to {@link #WIDE}; a channel of another allocator is left
   * alone.
   *
   * @param share asked at each read: most bytes to read at once, at least {@link #NARROW} in any
   *     case
   */
  public static void widen(Channel channel, LongSupplier share) {
    RecvByteBufAllocator allocator = channel.config().getRecvByteBufAllocator();
    if (allocator instanceof ReceiveBuffer) {
      ((ReceiveBuffer) allocator).limit = () -> Math.max(NARROW, Math.min(WIDE, share.getAsLong()));
    }
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
