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
 * Urgent data stays in the stream where it was sent (SO_OOBINLINE, socket(7)): telnet's Synch and
 * FTP's ABOR rely on the byte, which the kernel would take out. The urgent mark is not kept.
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
      // closed already
    }
  }

  /** The JDK has a name for it that only its set of options shows; looked up for NIO alone. */
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
        // no descriptors: then there is no connection to set it on either
      }
      return null;
    }
  }
}
