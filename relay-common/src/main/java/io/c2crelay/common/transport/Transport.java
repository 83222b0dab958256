package io.c2crelay.common.transport;

import io.netty.channel.ChannelException;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.kqueue.KQueue;
import io.netty.channel.kqueue.KQueueIoHandler;
import io.netty.channel.kqueue.KQueueServerSocketChannel;
import io.netty.channel.kqueue.KQueueSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.ServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** The I/O transport: one of Netty's native transports, or NIO. */
@SuppressWarnings("ImmutableEnumChecker") // stateless functions
public enum Transport {
  /** Linux, native. */
  EPOLL(
      Epoll::isAvailable,
      EpollWorkaround::newFactory,
      EpollServerSocketChannel.class,
      EpollSocketChannel.class),
  /** macOS and BSD, native. */
  KQUEUE(
      KQueue::isAvailable,
      KQueueIoHandler::newFactory,
      KQueueServerSocketChannel.class,
      KQueueSocketChannel.class),
  /** Java NIO: all platforms. */
  NIO(() -> true, NioIoHandler::newFactory, NioServerSocketChannel.class, NioSocketChannel.class);

  private final BooleanSupplier available;
  private final Supplier<IoHandlerFactory> handlerFactory;
  private final Class<? extends ServerSocketChannel> serverChannel;
  private final Class<? extends SocketChannel> channel;

  Transport(
      BooleanSupplier available,
      Supplier<IoHandlerFactory> handlerFactory,
      Class<? extends ServerSocketChannel> serverChannel,
      Class<? extends SocketChannel> channel) {
    this.available = available;
    this.handlerFactory = handlerFactory;
    this.serverChannel = serverChannel;
    this.channel = channel;
  }

  /** Returns the fastest transport that is available on this machine. */
  public static Transport best() {
    for (Transport transport : values()) {
      if (transport.available()) {
        return transport;
      }
    }
    throw new AssertionError("NIO is always available");
  }

  /** Returns whether the transport is available on this machine. */
  public boolean available() {
    return available.getAsBoolean();
  }

  /**
   * Creates event loops on daemon threads. The process ends if a loop terminates before the group
   * is shut down.
   *
   * @throws ChannelException if the system lacks the resources, such as file descriptors
   */
  public FailFastEventLoopGroup newEventLoops(int threads) {
    try {
      return FailFastEventLoopGroup.of(threads, handlerFactory.get());
    } catch (IllegalStateException e) {
      throw new ChannelException("cannot create event loops: " + Sockets.messageOf(e), e);
    }
  }

  public Class<? extends ServerSocketChannel> serverChannel() {
    return serverChannel;
  }

  public Class<? extends SocketChannel> channel() {
    return channel;
  }
}
