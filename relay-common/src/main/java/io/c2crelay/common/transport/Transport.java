package io.c2crelay.common.transport;

import io.netty.channel.ChannelException;
import io.netty.channel.EventLoopGroup;
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

/** How sockets are driven: one of Netty's native transports, or Java's own. */
@SuppressWarnings("ImmutableEnumChecker") // functions without state
public enum Transport {
  /** Linux. */
  EPOLL(
      Epoll::isAvailable,
      SteadyEpoll::newFactory,
      EpollServerSocketChannel.class,
      EpollSocketChannel.class),
  /** macOS and BSD. */
  KQUEUE(
      KQueue::isAvailable,
      KQueueIoHandler::newFactory,
      KQueueServerSocketChannel.class,
      KQueueSocketChannel.class),
  /** Anywhere. */
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

  /** The fastest that works on this machine. */
  public static Transport best() {
    for (Transport transport : values()) {
      if (transport.available()) {
        return transport;
      }
    }
    throw new AssertionError("NIO works anywhere");
  }

  /** Whether it works on this machine. */
  public boolean available() {
    return available.getAsBoolean();
  }

  /**
   * Event loops of this transport, on daemon threads. One that ends before they are shut down ends
   * the process.
   *
   * @throws ChannelException if the system does not give them what they need, descriptors that is
   */
  public EventLoopGroup newEventLoops(int threads) {
    try {
      return VitalEventLoops.of(threads, handlerFactory.get());
    } catch (IllegalStateException e) {
      throw new ChannelException("event loops do not start: " + Sockets.wordsOf(e), e);
    }
  }

  /** The class of a listening socket. */
  public Class<? extends ServerSocketChannel> serverChannel() {
    return serverChannel;
  }

  /** The class of a connected socket. */
  public Class<? extends SocketChannel> channel() {
    return channel;
  }
}
