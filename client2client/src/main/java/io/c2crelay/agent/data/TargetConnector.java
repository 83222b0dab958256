package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.SystemError;
import io.c2crelay.common.transport.UnreadBytes;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Connects to the target: tries each address for the connect timeout, all within 4 s. */
public final class TargetConnector {
  /** The relay waits 5 s for the answer to START. */
  private static final long TOTAL_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(4);

  private static final String CONNECT_ERRORS = "connect-errors";

  private final Route target;
  private final Duration connectTimeout;
  private final Dialer dialer;

  public TargetConnector(Route target, Duration connectTimeout, Dialer dialer) {
    this.target = requireNonNull(target, "target");
    this.connectTimeout = requireNonNull(connectTimeout, "connectTimeout");
    this.dialer = requireNonNull(dialer, "dialer");
  }

  /**
   * Opens a connection.
   *
   * @return completes on {@code loop} with a channel whose auto-read is off, or with the cause: see
   *     {@link #reasonOf}. A channel that is not active was reset by the target after the connect:
   *     {@link UnreadBytes#take} what it sent, before anything else happens on the loop
   */
  public Future<SocketChannel> connect(EventLoop loop) {
    Promise<SocketChannel> result = loop.newPromise();
    Future<?> timeout =
        loop.schedule(
            () -> result.tryFailure(new ConnectTimeoutException("no address answered within 4 s")),
            TOTAL_TIMEOUT_NANOS,
            TimeUnit.NANOSECONDS);
    result.addListener(done -> timeout.cancel(false));
    long deadline = loop.ticker().nanoTime() + TOTAL_TIMEOUT_NANOS;
    dialer
        .resolve(target, loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                tryNext(resolved.getNow().iterator(), null, deadline, loop, result);
              } else {
                result.tryFailure(resolved.cause());
              }
            });
    return result;
  }

  /** Tries the next address; if all fail, reports the first failure. */
  private void tryNext(
      Iterator<InetSocketAddress> addresses,
      @Nullable Throwable first,
      long deadlineNanos,
      EventLoop loop,
      Promise<SocketChannel> result) {
    long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - loop.ticker().nanoTime());
    if (result.isDone() || leftMillis <= 0) {
      return; // timed out or cancelled
    }
    dialer
        .connect(
            addresses.next(),
            (int) Math.min(leftMillis, connectTimeout.toMillis()),
            loop,
            TargetConnector::init)
        .addListener(
            (Future<Channel> done) -> {
              if (done.isSuccess()) {
                done.getNow().pipeline().remove(CONNECT_ERRORS);
                if (!result.trySuccess((SocketChannel) done.getNow())) {
                  done.getNow().close(); // timed out or cancelled
                }
              } else if (addresses.hasNext()) {
                tryNext(
                    addresses, first == null ? done.cause() : first, deadlineNanos, loop, result);
              } else {
                result.tryFailure(first == null ? done.cause() : first);
              }
            });
  }

  private static void init(SocketChannel channel) {
    channel.config().setAutoRead(false);
    channel.config().setAllowHalfClosure(true);
    Sockets.resetOnClose(channel, true); // also if the process is killed
    channel.pipeline().addLast(CONNECT_ERRORS, ConnectErrors.INSTANCE);
  }

  /** In the pipeline until connected: the connect future reports the failure. */
  @ChannelHandler.Sharable
  private static final class ConnectErrors extends ChannelDuplexHandler {
    static final ConnectErrors INSTANCE = new ConnectErrors();

    /** Netty reports a failed connect if the target reset the new connection at once. */
    @Override
    public void connect(
        ChannelHandlerContext ctx,
        SocketAddress remote,
        SocketAddress local,
        ChannelPromise promise) {
      ctx.connect(remote, local)
          .addListener(
              (ChannelFuture connected) -> {
                if (connected.isSuccess()
                    || UnreadBytes.mayBeLeft(connected.channel(), connected.cause())) {
                  promise.trySuccess();
                } else {
                  promise.tryFailure(connected.cause());
                }
              });
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      // Netty reads from a socket whose connect has failed (ENOTCONN)
    }
  }

  /** The reason to report for a failed connection attempt. */
  static ReasonCode reasonOf(@Nullable Throwable cause) {
    if (cause instanceof ChannelException) {
      return ReasonCode.LIMIT; // no socket could be created
    }
    if (cause instanceof ConnectTimeoutException) {
      return ReasonCode.TARGET_TIMEOUT;
    }
    return cause != null && SystemError.isRefused(cause)
        ? ReasonCode.TARGET_REFUSED
        : ReasonCode.TARGET_UNREACHABLE;
  }
}
