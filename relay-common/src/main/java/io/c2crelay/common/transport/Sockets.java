package io.c2crelay.common.transport;

import io.c2crelay.common.logging.LogText;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.handler.codec.CodecException;
import io.netty.handler.ssl.NotSslRecordException;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.lang.reflect.InvocationTargetException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What this program does to sockets, in one place. */
public final class Sockets {
  /**
   * A leg with more than the high mark waiting to be written stops its peer's reading, until it is
   * below the low mark.
   */
  public static final WriteBufferWaterMark WATER_MARK =
      new WriteBufferWaterMark(32 * 1024, 64 * 1024);

  private static final int KEEPALIVE_IDLE_SECONDS = 60;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 10;
  private static final int KEEPALIVE_PROBES = 3;
  private static final int USER_TIMEOUT_MILLIS = 20_000;

  /**
   * Bytes that the kernel takes beyond what the peer's window lets it send: a thousand stalled
   * peers would otherwise hold megabytes of its memory each, which it takes from all sockets
   * together (tcp(7), tcp_mem).
   */
  private static final long MAX_NOT_SENT = 128 * 1024;

  private Sockets() {}

  /**
   * Options of every connection: no Nagle delay, urgent data in its place, a bound on what the
   * kernel holds, and TCP's own keep-alive, tuned where the transport can (tcp(7)).
   */
  public static void tune(Channel channel) {
    channel.config().setOption(ChannelOption.TCP_NODELAY, true);
    channel.config().setOption(ChannelOption.SO_KEEPALIVE, true);
    channel.config().setOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK);
    UrgentData.keepInline(channel);
    if (channel instanceof EpollSocketChannel) {
      channel.config().setOption(EpollChannelOption.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
      channel.config().setOption(EpollChannelOption.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS);
      channel.config().setOption(EpollChannelOption.TCP_KEEPCNT, KEEPALIVE_PROBES);
      channel.config().setOption(EpollChannelOption.TCP_NOTSENT_LOWAT, MAX_NOT_SENT);
    }
  }

  /**
   * Options of a control connection: bytes that the peer does not acknowledge for 20 s end it. Not
   * for sessions: a peer that has stopped reading is alive.
   */
  public static void tuneControl(Channel channel) {
    if (channel instanceof EpollSocketChannel) {
      channel.config().setOption(EpollChannelOption.TCP_USER_TIMEOUT, USER_TIMEOUT_MILLIS);
    }
  }

  /**
   * Resets a connection at once: what is queued is dropped, and no handler (TLS would wait for its
   * farewell) is asked. On any thread.
   */
  public static void reset(Channel channel) {
    if (!channel.isOpen()) {
      return;
    }
    resetOnClose(channel, true);
    ChannelHandlerContext nearSocket = channel.pipeline().firstContext();
    if (nearSocket == null) {
      channel.close();
    } else {
      nearSocket.close();
    }
  }

  /**
   * Whether the kernel closes a connection with a reset (SO_LINGER of 0, socket(7)), as it does
   * with all that a process leaves behind that is killed. A FIN in its place would tell the peer
   * that everything has arrived.
   */
  public static void resetOnClose(Channel channel, boolean reset) {
    try {
      channel.config().setOption(ChannelOption.SO_LINGER, reset ? 0 : -1);
    } catch (RuntimeException e) {
      // the peer was faster: the socket is closed already
    }
  }

  /**
   * Connects.
   *
   * @param loop the bootstrap's
   * @return completes on that loop in any case, which Netty's own future does not if there is no
   *     socket to be had; then the cause is a {@link ChannelException}
   */
  public static Future<Channel> connect(Bootstrap bootstrap, SocketAddress remote, EventLoop loop) {
    Promise<Channel> result = loop.newPromise();
    bootstrap
        .connect(remote)
        .addListener(
            (ChannelFuture connected) -> {
              if (connected.isSuccess()) {
                result.setSuccess(connected.channel());
                return;
              }
              if (connected.cause() instanceof ChannelException) {
                SocketShortage.say("sockets.exhausted", connected.cause());
              }
              result.setFailure(connected.cause());
            });
    return result;
  }

  /** Runs a task on a channel's event loop, also if the channel moves to another loop meanwhile. */
  public static void run(Channel channel, Runnable task) {
    channel
        .eventLoop()
        .execute(
            () -> {
              if (channel.eventLoop().inEventLoop()) {
                task.run();
              } else {
                run(channel, task);
              }
            });
  }

  /** A socket address as log lines show it: {@code 192.0.2.1:4000}, {@code [2001:db8::1]:4000}. */
  public static String text(@Nullable SocketAddress address) {
    return address instanceof InetSocketAddress
            && ((InetSocketAddress) address).getAddress() != null
        ? NetUtil.toSocketAddressString(
            NetUtil.toAddressString(((InetSocketAddress) address).getAddress()),
            ((InetSocketAddress) address).getPort())
        : "-";
  }

  /** What went wrong, in words, as the value of a {@code key=value} pair. */
  public static String describe(@Nullable Throwable cause) {
    return LogText.value(cause == null ? null : wordsOf(cause));
  }

  /**
   * The system's own words, without the name and number of the call that Netty puts before them,
   * and without names of Java's classes.
   */
  public static String wordsOf(Throwable cause) {
    Throwable own = systemsOwn(cause);
    if (own instanceof ClosedChannelException) {
      return "connection closed";
    }
    if (own instanceof NotSslRecordException) {
      return "the peer does not speak TLS";
    }
    String message = own.getMessage();
    if (message == null) {
      // as words: SocketTimeoutException says as much as its name
      String name = own.getClass().getSimpleName().replaceFirst("(Exception|Error)$", "");
      return name.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
    }
    if (own instanceof UnknownHostException && message.indexOf(' ') < 0) {
      return "unknown host " + message;
    }
    return message.replaceFirst("^.*failed with error\\(-?\\d+\\): ", "");
  }

  /** Netty wraps what the system says of a socket, or a loop, that cannot be made. */
  private static Throwable systemsOwn(Throwable cause) {
    Throwable inner = cause.getCause();
    boolean wraps =
        cause instanceof ChannelException
            || cause instanceof IllegalStateException
            || cause instanceof InvocationTargetException;
    return wraps && inner != null ? systemsOwn(inner) : cause;
  }

  /**
   * Whether a write failed because the connection was closed for writing before (EPIPE), and not by
   * the reset that it met (ECONNRESET): Linux says EPIPE if the reset came behind a FIN.
   */
  public static boolean isBrokenPipe(@Nullable Throwable cause) {
    Throwable inner = cause;
    while (inner != null && inner.getCause() != null) {
      inner = inner.getCause();
    }
    return inner != null && String.valueOf(inner.getMessage()).contains("Broken pipe");
  }

  /** What a codec's exception wraps, if anything. */
  public static Throwable rootOf(Throwable cause) {
    Throwable inner = cause.getCause();
    return cause instanceof CodecException && inner != null ? inner : cause;
  }
}
