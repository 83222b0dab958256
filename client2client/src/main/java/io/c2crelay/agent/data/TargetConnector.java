package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.ConnectRace;
import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.SystemError;
import io.c2crelay.common.transport.UnreadBytes;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoop;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Connects to the target of a service with a {@link ConnectRace} of its addresses. Each attempt has
 * the connect timeout; all together have 4 s.
 */
public final class TargetConnector implements TargetDialer {
  /** Less than the relay's timeout of 5 s for the answer to START. */
  private static final long TOTAL_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(4);

  private static final String CONNECT_ERRORS = "connect-errors";

  private final Forward forward;
  private final Duration connectTimeout;
  private final boolean transparent;
  private final Dialer dialer;

  /**
   * @param connectTimeout for each address of the target
   * @param transparent whether to connect from the user's address (IP_TRANSPARENT, ip(7)); epoll
   *     only
   */
  public TargetConnector(
      Forward forward, Duration connectTimeout, boolean transparent, Dialer dialer) {
    this.forward = requireNonNull(forward, "forward");
    this.connectTimeout = requireNonNull(connectTimeout, "connectTimeout");
    this.transparent = transparent;
    this.dialer = requireNonNull(dialer, "dialer");
  }

  /**
   * Opens a connection for a session, and writes its PROXY header.
   *
   * @return completes on {@code loop} with a channel whose auto-read is off, or with the cause: see
   *     {@link #reasonOf}. A channel that is not active was reset by the target after the connect.
   *     Call {@link UnreadBytes#take} for the bytes it sent, in the same turn of the loop
   */
  @Override
  public Future<SocketChannel> connect(EventLoop loop, Frame.Start start) {
    Promise<SocketChannel> result = loop.newPromise();
    Future<?> timeout =
        loop.schedule(
            () -> result.tryFailure(new ConnectTimeoutException("no address answered within 4 s")),
            TOTAL_TIMEOUT_NANOS,
            TimeUnit.NANOSECONDS);
    result.addListener(done -> timeout.cancel(false));
    dialer
        .resolve(forward.target(), loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                connect(usable(resolved.getNow(), start), loop, start, result);
              } else {
                result.tryFailure(resolved.cause());
              }
            });
    return result;
  }

  /** Only an address of the user's family can be reached from the user's address. */
  private List<InetSocketAddress> usable(List<InetSocketAddress> addresses, Frame.Start start) {
    return transparent
        ? addresses.stream()
            .filter(a -> a.getAddress().getClass() == start.user().getAddress().getClass())
            .collect(Collectors.toList())
        : addresses;
  }

  private void connect(
      List<InetSocketAddress> addresses,
      EventLoop loop,
      Frame.Start start,
      Promise<SocketChannel> result) {
    if (addresses.isEmpty()) {
      result.tryFailure(new ConnectException("no address of the user's family"));
      return;
    }
    if (transparent && isLocal(start.user().getAddress())) {
      result.tryFailure(new ConnectException("the user's address is local"));
      return;
    }
    int timeoutMillis = (int) connectTimeout.toMillis();
    Promise<Channel> race =
        ConnectRace.start(
            new ArrayDeque<>(addresses),
            address -> dialer.connect(address, timeoutMillis, loop, ch -> init(ch, start)),
            loop);
    result.addListener(done -> race.cancel(false)); // timed out or cancelled
    race.addListener(
        (Future<Channel> done) -> {
          if (done.isSuccess()) {
            connected((SocketChannel) done.getNow(), start, result);
          } else {
            result.tryFailure(done.cause());
          }
        });
  }

  /** Targets trust such addresses, so the agent does not connect from them. */
  private static boolean isLocal(InetAddress address) {
    return address.isLoopbackAddress()
        || address.isAnyLocalAddress()
        || address.isMulticastAddress();
  }

  private void connected(SocketChannel channel, Frame.Start start, Promise<SocketChannel> result) {
    channel.pipeline().remove(CONNECT_ERRORS);
    if (!result.isDone()) {
      forward.proxyProtocol().writeHeader(channel, start);
    }
    if (!result.trySuccess(channel)) {
      channel.close(); // timed out or cancelled
    }
  }

  private void init(SocketChannel channel, Frame.Start start) {
    channel.config().setAutoRead(false);
    channel.config().setAllowHalfClosure(true);
    Sockets.resetOnClose(channel, true); // also if the process is killed
    InetSocketAddress from = null;
    if (transparent) {
      channel.config().setOption(EpollChannelOption.IP_TRANSPARENT, true);
      from = new InetSocketAddress(start.user().getAddress(), 0);
    }
    channel.pipeline().addLast(CONNECT_ERRORS, new ConnectErrors(from));
  }

  /** Ignores errors until connected, since the connect future reports them. */
  private static final class ConnectErrors extends ChannelDuplexHandler {
    private final @Nullable SocketAddress from;

    /** Connects from an address, or from any if it is null. */
    ConnectErrors(@Nullable SocketAddress from) {
      this.from = from;
    }

    /**
     * Succeeds also if the target reset the new connection at once, which Netty reports as a
     * failure.
     */
    @Override
    public void connect(
        ChannelHandlerContext ctx,
        SocketAddress remote,
        @Nullable SocketAddress local,
        ChannelPromise promise) {
      ctx.connect(remote, from)
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
      // ENOTCONN: Netty reads from a socket whose connect has failed
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
