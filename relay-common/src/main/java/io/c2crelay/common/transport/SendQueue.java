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
 * What was written to a connection and its peer does not have yet: Netty's queue and the kernel's.
 * On the channel's event loop.
 */
public final class SendQueue {
  /** Where {@code struct tcp_info} has what is of interest here (linux/tcp.h, tcp(7)). */
  private static final RawUnixChannelOption TCP_INFO =
      new RawUnixChannelOption("TCP_INFO", 6, 11, 148);

  private static final int SEND_MSS = 16;
  private static final int UNACKED_SEGMENTS = 24;
  private static final int NOT_SENT_BYTES = 144;

  /** Linux lets a socket with the smallest buffer be written to when less than this waits in it. */
  private static final int NIO_RESIDUE = 4096;

  /** Without a figure from the kernel: the time for that residue to be sent. */
  private static final long NIO_RESIDUE_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  private final Channel channel;
  private boolean shrunk;
  private long smallSinceNanos;
  private boolean small;

  private SendQueue(Channel channel) {
    this.channel = channel;
  }

  /** The queue of a connection. */
  public static SendQueue of(Channel channel) {
    return new SendQueue(requireNonNull(channel, "channel"));
  }

  /**
   * At most how many bytes the peer has not acknowledged; 0 when it has them all, or the connection
   * is closed. With NIO the kernel does not say: once Netty has written all, the kernel's buffer is
   * made small, and what may be left in it is a constant until that has had time to be sent; so
   * nothing should be written afterwards.
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
      return queued == 0 && NioProbe.isNio(channel) ? residueOfNio() : queued;
    } catch (ChannelException e) {
      return 0; // closed
    }
  }

  /** What Netty still has to write; nothing if the output is shut down or closed. */
  public static long pendingBytes(Channel channel) {
    // through its public figures: each is 1 more than the distance to its mark
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

  private long residueOfNio() {
    if (!shrunk) {
      shrunk = true;
      channel.config().setOption(ChannelOption.SO_SNDBUF, 1);
    }
    long now = channel.eventLoop().ticker().nanoTime();
    if (!NioProbe.isReady(channel, SelectionKey.OP_WRITE)) {
      small = false;
    } else if (!small) {
      small = true;
      smallSinceNanos = now;
    }
    return small && now - smallSinceNanos >= NIO_RESIDUE_NANOS ? 0 : NIO_RESIDUE;
  }
}
