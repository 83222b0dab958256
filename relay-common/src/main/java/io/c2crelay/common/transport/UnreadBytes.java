package io.c2crelay.common.transport;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.FileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * The bytes that the kernel received on a connection that the peer reset before Netty finished the
 * connect. Netty reports such a connect as failed, with ECONNRESET; a connection that was never
 * established is refused (ECONNREFUSED) or times out.
 */
public final class UnreadBytes {
  /** More than a receive buffer holds before its first read. */
  private static final int MAX_BYTES = 256 * 1024;

  private UnreadBytes() {}

  /** Whether a connect failed only because the peer had reset the connection meanwhile. */
  public static boolean mayBeLeft(Channel channel, Throwable cause) {
    return channel instanceof EpollSocketChannel // the JDK has closed its socket by now
        && channel.isOpen()
        && SystemError.isReset(cause);
  }

  /** Takes the bytes. Call it before the channel is closed, on its event loop. */
  public static ByteBuf take(Channel channel) {
    if (!(channel instanceof EpollSocketChannel)) {
      return Unpooled.EMPTY_BUFFER;
    }
    FileDescriptor socket = ((EpollSocketChannel) channel).fd();
    ByteBuf bytes = channel.alloc().directBuffer(ReceiveBuffer.INITIAL_MAX, MAX_BYTES);
    try {
      int read = 1;
      while (read > 0 && bytes.ensureWritable(1, true) != 1) {
        ByteBuffer part = bytes.nioBuffer(bytes.writerIndex(), bytes.writableBytes());
        read = socket.read(part, 0, part.remaining());
        bytes.writerIndex(bytes.writerIndex() + Math.max(0, read));
      }
    } catch (IOException | RuntimeException e) { // Netty maps some errors to unchecked exceptions
      // no more bytes
    }
    return bytes;
  }
}
