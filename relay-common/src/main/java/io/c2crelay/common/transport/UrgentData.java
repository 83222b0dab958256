package io.c2crelay.common.transport;

import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.kqueue.KQueueSocketChannel;
import io.netty.channel.socket.nio.NioChannelOption;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.unix.IntegerUnixChannelOption;
import java.io.IOException;
import java.net.SocketOption;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;

/**
 * Keeps urgent data in the byte stream (SO_OOBINLINE, socket(7)). The kernel would remove the
 * urgent byte, which telnet's Synch and FTP's ABOR rely on. The urgent mark is lost.
 */
final class UrgentData {
  private static final ChannelOption<Integer> LINUX =
      new IntegerUnixChannelOption("SO_OOBINLINE", 1, 10);

  private static final ChannelOption<Integer> BSD =
      new IntegerUnixChannelOption("SO_OOBINLINE", 0xFFFF, 0x0100);

  private UrgentData() {}

  static void keepInline(Channel channel) {
    try {
      if (channel instanceof EpollSocketChannel) {
        channel.config().setOption(LINUX, 1);
      } else if (channel instanceof KQueueSocketChannel) {
        channel.config().setOption(BSD, 1);
      } else if (channel instanceof NioSocketChannel && Jdk.OPTION != null) {
        channel.config().setOption(Jdk.OPTION, true);
      }
    } catch (ChannelException e) {
      // already closed
    }
  }

  /** The JDK exposes the option only by name in the supported options. Loaded for NIO only. */
  private static final class Jdk {
    static final @Nullable ChannelOption<Boolean> OPTION = find();

    @SuppressWarnings("unchecked")
    private static @Nullable ChannelOption<Boolean> find() {
      try (SocketChannel socket = SocketChannel.open()) {
        for (SocketOption<?> option : socket.supportedOptions()) {
          if (option.name().equals("SO_OOBINLINE")) {
            return NioChannelOption.of((SocketOption<Boolean>) option);
          }
        }
      } catch (IOException e) {
        // no file descriptor left, so no connection needs the option
      }
      return null;
    }
  }
}
