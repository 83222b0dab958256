package io.c2crelay.common.transport;

import io.netty.channel.Channel;
import io.netty.channel.nio.AbstractNioChannel.NioUnsafe;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;

/**
 * Queries the kernel about a connection that NIO does not currently poll, with a temporary
 * selector. Call on the channel's event loop.
 */
public final class NioProbe {
  private NioProbe() {}

  /** Returns whether the channel uses NIO. */
  public static boolean isNio(Channel channel) {
    return channel.unsafe() instanceof NioUnsafe;
  }

  /**
   * Returns whether the peer has reset the connection. A selector reports OP_CONNECT for a
   * connected channel only after an error or a hang-up of both directions.
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
      return true; // a closed channel is ready for every operation
    } catch (IOException e) {
      return false; // no file descriptor left; the caller polls again
    }
  }
}
