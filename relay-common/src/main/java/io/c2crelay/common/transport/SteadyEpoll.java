package io.c2crelay.common.transport;

import io.netty.channel.Channel;
import io.netty.channel.IoEvent;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.Socket;
import org.jspecify.annotations.Nullable;

/**
 * Netty's epoll handler, corrected in what it asks of the kernel (epoll_ctl(2)) and in what it
 * reports; all of it concerns channels that are not being read.
 *
 * <ul>
 *   <li>EPOLLRDHUP is never asked for: at a peer's FIN, Netty would read all that is in the kernel,
 *       paused or not, which no water mark bounds. Without it a FIN is seen where it belongs,
 *       behind the last byte.
 *   <li>An empty interest is EPOLLET alone, one edge of a hang-up or an error: Netty (4.2.13 on)
 *       takes a channel without interest out of the epoll set but counts it as added, so that its
 *       next interest fails with ENOENT and closes it.
 *   <li>EPOLLERR becomes a {@link ConnectionError} event: Netty ignores a reset of a channel whose
 *       input has ended, and does not say that a paused one was reset while it holds unread bytes.
 *   <li>EPOLLOUT is not asked for once the output is shut down: after a failed write Netty would be
 *       woken for ever.
 * </ul>
 */
final class SteadyEpoll implements IoHandler {
  private final IoHandler epoll;

  private SteadyEpoll(IoHandler epoll) {
    this.epoll = epoll;
  }

  static IoHandlerFactory newFactory() {
    IoHandlerFactory factory = EpollIoHandler.newFactory();
    return executor -> new SteadyEpoll(factory.newHandler(executor));
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    Socket socket = socketOf(handle);
    if (socket == null) {
      return new SteadyRegistration(epoll.register(handle), null);
    }
    SteadyHandle steady = new SteadyHandle((EpollIoHandle) handle, socket);
    steady.registration = new SteadyRegistration(epoll.register(steady), socket);
    return steady.registration;
  }

  @Override
  public void initialize() {
    epoll.initialize();
  }

  @Override
  public int run(IoHandlerContext context) {
    return epoll.run(context);
  }

  @Override
  public void prepareToDestroy() {
    epoll.prepareToDestroy();
  }

  @Override
  public void destroy() {
    epoll.destroy();
  }

  @Override
  public void wakeup() {
    epoll.wakeup();
  }

  @Override
  public boolean isCompatible(Class<? extends IoHandle> handleType) {
    return epoll.isCompatible(handleType);
  }

  /** The socket of a channel; null for what else may be registered. */
  private static @Nullable Socket socketOf(IoHandle handle) {
    if (handle instanceof EpollIoHandle && handle instanceof Channel.Unsafe) {
      FileDescriptor descriptor = ((EpollIoHandle) handle).fd();
      return descriptor instanceof Socket ? (Socket) descriptor : null;
    }
    return null;
  }

  /** A channel's handle, which reports errors besides. */
  private static final class SteadyHandle implements EpollIoHandle {
    private final EpollIoHandle handle;
    private final Socket socket;
    private @Nullable SteadyRegistration registration;

    SteadyHandle(EpollIoHandle handle, Socket socket) {
      this.handle = handle;
      this.socket = socket;
    }

    @Override
    public FileDescriptor fd() {
      return handle.fd();
    }

    @Override
    public void handle(IoRegistration nettys, IoEvent event) {
      boolean error = ((EpollIoEvent) event).ops().contains(EpollIoOps.EPOLLERR);
      handle.handle(nettys, event);
      if (error && socket.isOpen()) {
        if (registration != null) {
          registration.forgetOutput();
        }
        Channel channel = unsafe().voidPromise().channel();
        if (channel.isActive()) {
          channel.pipeline().fireUserEventTriggered(ConnectionError.INSTANCE);
        }
      }
    }

    @Override
    public void registered() {
      handle.registered();
    }

    @Override
    public void unregistered() {
      handle.unregistered();
    }

    @Override
    public void close() {
      unsafe().close(unsafe().voidPromise()); // as the handle does
    }

    private Channel.Unsafe unsafe() {
      return (Channel.Unsafe) handle;
    }
  }

  private static final class SteadyRegistration implements IoRegistration {
    private final IoRegistration registration;
    private final @Nullable Socket socket;
    private EpollIoOps interest = EpollIoOps.NONE;

    SteadyRegistration(IoRegistration registration, @Nullable Socket socket) {
      this.registration = registration;
      this.socket = socket;
    }

    @Override
    public long submit(IoOps ops) {
      EpollIoOps asked = ((EpollIoOps) ops).without(EpollIoOps.EPOLLRDHUP);
      if (socket != null && socket.isOutputShutdown()) {
        asked = asked.without(EpollIoOps.EPOLLOUT);
      }
      interest = asked;
      return registration.submit(EpollIoOps.NONE.equals(asked) ? EpollIoOps.EPOLLET : asked);
    }

    /** A failed write shut the output down: takes EPOLLOUT back. */
    void forgetOutput() {
      if (interest.contains(EpollIoOps.EPOLLOUT) && socket != null && socket.isOutputShutdown()) {
        submit(interest);
      }
    }

    @Override
    @SuppressWarnings("TypeParameterUnusedInFormals") // the interface is so
    public <T> T attachment() {
      return registration.attachment();
    }

    @Override
    public boolean isValid() {
      return registration.isValid();
    }

    @Override
    public boolean cancel() {
      return registration.cancel();
    }
  }
}
