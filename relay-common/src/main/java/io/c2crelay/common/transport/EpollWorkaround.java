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
 * Wraps Netty's epoll handler and corrects the interest it requests (epoll_ctl(2)) and the events
 * it reports for channels whose reading is paused.
 *
 * <ul>
 *   <li>EPOLLRDHUP is never requested. At a peer's FIN, Netty reads everything that the kernel has
 *       received, even if reading is paused, and exceeds every water mark. Without EPOLLRDHUP the
 *       FIN is detected by reading, after the last byte.
 *   <li>An empty interest becomes EPOLLET alone, which reports a hang-up or an error once. Netty
 *       since 4.2.13 removes a channel without interest from the epoll set but treats it as added:
 *       its next interest fails with ENOENT and closes the channel.
 *   <li>EPOLLERR fires a {@link ConnectionError} event. Netty ignores the reset of a channel whose
 *       input has ended, and does not report the reset of a paused channel that has unread bytes.
 *   <li>EPOLLOUT is not requested once the output is shut down: after a failed write, Netty would
 *       wake up continuously.
 * </ul>
 */
final class EpollWorkaround implements IoHandler {
  private final IoHandler epoll;

  private EpollWorkaround(IoHandler epoll) {
    this.epoll = epoll;
  }

  static IoHandlerFactory newFactory() {
    IoHandlerFactory factory = EpollIoHandler.newFactory();
    return executor -> new EpollWorkaround(factory.newHandler(executor));
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    Socket socket = socketOf(handle);
    if (socket == null) {
      return new FilteringRegistration(epoll.register(handle), null);
    }
    ErrorReportingHandle reporting = new ErrorReportingHandle((EpollIoHandle) handle, socket);
    reporting.registration = new FilteringRegistration(epoll.register(reporting), socket);
    return reporting.registration;
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

  /** Returns the socket of a channel; null for other handles. */
  private static @Nullable Socket socketOf(IoHandle handle) {
    if (handle instanceof EpollIoHandle && handle instanceof Channel.Unsafe) {
      FileDescriptor descriptor = ((EpollIoHandle) handle).fd();
      return descriptor instanceof Socket ? (Socket) descriptor : null;
    }
    return null;
  }

  /** A channel's handle that also reports errors. */
  private static final class ErrorReportingHandle implements EpollIoHandle {
    private final EpollIoHandle handle;
    private final Socket socket;
    private @Nullable FilteringRegistration registration;

    ErrorReportingHandle(EpollIoHandle handle, Socket socket) {
      this.handle = handle;
      this.socket = socket;
    }

    @Override
    public FileDescriptor fd() {
      return handle.fd();
    }

    @Override
    public void handle(IoRegistration nettyRegistration, IoEvent event) {
      boolean error = ((EpollIoEvent) event).ops().contains(EpollIoOps.EPOLLERR);
      handle.handle(nettyRegistration, event);
      if (error && socket.isOpen()) {
        if (registration != null) {
          registration.clearOutputInterest();
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
      unsafe().close(unsafe().voidPromise()); // same as the wrapped handle
    }

    private Channel.Unsafe unsafe() {
      return (Channel.Unsafe) handle;
    }
  }

  private static final class FilteringRegistration implements IoRegistration {
    private final IoRegistration registration;
    private final @Nullable Socket socket;
    private EpollIoOps interest = EpollIoOps.NONE;

    FilteringRegistration(IoRegistration registration, @Nullable Socket socket) {
      this.registration = registration;
      this.socket = socket;
    }

    @Override
    public long submit(IoOps ops) {
      EpollIoOps filtered = ((EpollIoOps) ops).without(EpollIoOps.EPOLLRDHUP);
      if (socket != null && socket.isOutputShutdown()) {
        filtered = filtered.without(EpollIoOps.EPOLLOUT);
      }
      interest = filtered;
      return registration.submit(EpollIoOps.NONE.equals(filtered) ? EpollIoOps.EPOLLET : filtered);
    }

    /** Stops requesting EPOLLOUT after a failed write has shut the output down. */
    void clearOutputInterest() {
      if (interest.contains(EpollIoOps.EPOLLOUT) && socket != null && socket.isOutputShutdown()) {
        submit(interest);
      }
    }

    @Override
    @SuppressWarnings("TypeParameterUnusedInFormals") // declared by the interface
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
