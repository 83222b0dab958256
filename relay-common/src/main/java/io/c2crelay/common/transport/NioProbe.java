package io.c2crelay.common.transport;

import io.netty.channel.Channel;
import io.netty.channel.nio.AbstractNioChannel.NioUnsafe;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;

/**
 * Asks the kernel about a connection that NIO does not watch now, with a selector made for the
 * question. On the channel's event loop.
 */
public final class NioProbe {
  private NioProbe() {}

  /** Whether a channel is NIO's. */
  public static boolean isNio(Channel channel) {
    return channel.unsafe() instanceof NioUnsafe;
  }

  /**
   * Whether the peer has reset a connection. A selector says that a connected channel is ready for
   * OP_CONNECT only at an error or a hang-up of both directions.
   */
  public static boolean isReset(Channel channel) {
    return channel.isActive() && isReady(channel, SelectionKey.OP_CONNECT);
  }

  static boolean isReady(Channel channel, int operation) {
    SelectableChannel socket = ((NioUnsafe) channel.unsafe()).ch();
    try (Selector selector = Selector.open()) {
      SelectionKey key = socket.register(selector, operation);
      selector.selectNow();
      return (key.readyOps() & operation) != 0;
    } catch (ClosedChannelException e) {
      return true; // for anything that is asked of it
    } catch (IOException e) {
      return false; // no descriptors: ask again later
    }
  }
}
