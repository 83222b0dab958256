package io.c2crelay.common.transport;

import static java.util.Objects.requireNonNull;

import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.RawUnixChannelOption;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.util.concurrent.TimeUnit;

/**
 * The bytes written to a connection that its peer has not acknowledged: Netty's outbound buffer and
 * the kernel's send queue. Use on the channel's event loop.
 */
public final class SendQueue {
  /** Offsets in {@code struct tcp_info} (linux/tcp.h, tcp(7)). */
  private static final RawUnixChannelOption TCP_INFO =
      new RawUnixChannelOption("TCP_INFO", 6, 11, 148);

  private static final int SEND_MSS = 16;
  private static final int UNACKED_SEGMENTS = 24;
  private static final int NOT_SENT_BYTES = 144;

  /**
   * Linux reports a socket with the minimum send buffer as writable when it queues less than this.
   */
  private static final int NIO_MAX_QUEUED = 4096;

  /** The time allowed for these bytes to be sent, since NIO cannot read the send queue. */
  private static final long NIO_SEND_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  private final Channel channel;
  private boolean sendBufferMinimised;
  private long writableSinceNanos;
  private boolean writable;

  private SendQueue(Channel channel) {
    this.channel = channel;
  }

  public static SendQueue of(Channel channel) {
    return new SendQueue(requireNonNull(channel, "channel"));
  }

  /**
   * Returns an upper bound of the unacknowledged bytes; 0 if the peer has acknowledged all or the
   * connection is closed.
   *
   * <p>NIO cannot read the send queue. Once Netty has written all bytes, this method minimises the
   * kernel's send buffer and returns a constant until the buffer has been writable for a while. Do
   * not write afterwards.
   */
  public long bytes() {
    if (!channel.isActive()) {
      return 0;
    }
    long queued = pendingBytes(channel);
    try {
      if (channel instanceof EpollSocketChannel) {
        return queued + bytesInKernel();
      }
      return queued == 0 && NioProbe.isNio(channel) ? nioUpperBound() : queued;
    } catch (ChannelException e) {
      return 0; // closed
    }
  }

  /** Returns the bytes in Netty's outbound buffer; 0 if the output is shut down or closed. */
  public static long pendingBytes(Channel channel) {
    // each public value is 1 more than the distance to its water mark
    if (channel.isWritable()) {
      return Math.max(
          0, channel.config().getWriteBufferHighWaterMark() + 1L - channel.bytesBeforeUnwritable());
    }
    long beforeWritable = channel.bytesBeforeWritable();
    return beforeWritable == Long.MAX_VALUE
        ? 0
        : channel.config().getWriteBufferLowWaterMark() - 1L + beforeWritable;
  }

  private long bytesInKernel() {
    ByteBuffer info = channel.config().getOption(TCP_INFO).order(ByteOrder.nativeOrder());
    long notSent = info.getInt(NOT_SENT_BYTES) & 0xFFFFFFFFL;
    return notSent + (long) info.getInt(UNACKED_SEGMENTS) * info.getInt(SEND_MSS);
  }

  private long nioUpperBound() {
    if (!sendBufferMinimised) {
      sendBufferMinimised = true;
      channel.config().setOption(ChannelOption.SO_SNDBUF, 1);
    }
    long now = channel.eventLoop().ticker().nanoTime();
    if (!NioProbe.isReady(channel, SelectionKey.OP_WRITE)) {
      writable = false;
    } else if (!writable) {
      writable = true;
      writableSinceNanos = now;
    }
    return writable && now - writableSinceNanos >= NIO_SEND_NANOS ? 0 : NIO_MAX_QUEUED;
  }
}
