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
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.util.Locale;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Socket options, connecting, resetting and log texts of sockets. */
public final class Sockets {
  /**
   * Bytes queued on a leg above which its peer leg stops reading (high), and below which it resumes
   * (low).
   */
  public static final WriteBufferWaterMark WATER_MARK =
      new WriteBufferWaterMark(32 * 1024, 64 * 1024);

  private static final int KEEPALIVE_IDLE_SECONDS = 60;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 10;
  private static final int KEEPALIVE_PROBES = 3;
  private static final int USER_TIMEOUT_MILLIS = 20_000;

  /**
   * TCP_NOTSENT_LOWAT (tcp(7)): bytes that the kernel queues beyond the peer's window. Without it,
   * each stalled peer could use megabytes of the kernel's TCP memory (tcp_mem), which all sockets
   * share.
   */
  private static final long NOT_SENT_LOW_WATER_BYTES = 128 * 1024;

  private Sockets() {}

  /**
   * Sets the options of all connections: TCP_NODELAY, inline urgent data, a bound on the kernel's
   * send queue, and TCP keep-alive with the times that the transport supports (tcp(7)).
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
      channel.config().setOption(EpollChannelOption.TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER_BYTES);
    }
  }

  /**
   * Sets the options of a control connection: bytes that stay unacknowledged for 20 s end it
   * (TCP_USER_TIMEOUT). Not for sessions, where a peer may stop reading for longer.
   */
  public static void tuneControl(Channel channel) {
    if (channel instanceof EpollSocketChannel) {
      channel.config().setOption(EpollChannelOption.TCP_USER_TIMEOUT, USER_TIMEOUT_MILLIS);
    }
  }

  /**
   * Resets a connection at once: discards queued bytes and bypasses the handlers, since TLS would
   * wait to send close_notify. Any thread may call this.
   */
  public static void reset(Channel channel) {
    if (!channel.isOpen()) {
      return;
    }
    resetOnClose(channel, true);
    ChannelHandlerContext head = channel.pipeline().firstContext();
    if (head == null) {
      channel.close();
    } else {
      head.close();
    }
  }

  /**
   * Sets whether closing sends a reset (SO_LINGER 0, socket(7)) instead of a FIN. This also applies
   * when the process is killed; a FIN would tell the peer that all bytes have arrived.
   */
  public static void resetOnClose(Channel channel, boolean reset) {
    try {
      channel.config().setOption(ChannelOption.SO_LINGER, reset ? 0 : -1);
    } catch (RuntimeException e) {
      // the socket is already closed
    }
  }

  /**
   * Connects.
   *
   * @param loop the bootstrap's event loop
   * @return completes on {@code loop} even if no socket can be opened, unlike Netty's future; the
   *     cause is then a {@link ChannelException}
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
                SocketShortage.report("sockets.exhausted", connected.cause());
              }
              result.setFailure(connected.cause());
            });
    return result;
  }

  /** Runs a task on a channel's event loop, even if the channel moves to another loop meanwhile. */
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

  /**
   * Formats a socket address for logs: {@code 192.0.2.1:4000}, {@code [2001:db8::1]:4000}, {@code
   * name:4000}.
   */
  public static String text(@Nullable SocketAddress address) {
    if (!(address instanceof InetSocketAddress)) {
      return "-";
    }
    InetSocketAddress inet = (InetSocketAddress) address;
    String host =
        inet.isUnresolved() ? inet.getHostString() : NetUtil.toAddressString(inet.getAddress());
    return NetUtil.toSocketAddressString(host, inet.getPort());
  }

  /** Formats the cause of an error as the value of a {@code key=value} pair. */
  public static String describe(@Nullable Throwable cause) {
    return LogText.value(cause == null ? null : messageOf(cause));
  }

  /**
   * Returns the system's error message, without the failed call and error number that Netty adds
   * and without Java class names.
   */
  public static String messageOf(Throwable cause) {
    Throwable root = rootOf(cause);
    if (root instanceof ClosedChannelException) {
      return "connection closed";
    }
    if (root instanceof NotSslRecordException) {
      return "the peer does not speak TLS";
    }
    String message = root.getMessage();
    if (message == null) {
      // a message from the class name: SocketTimeoutException is "socket timeout"
      String name = root.getClass().getSimpleName().replaceFirst("(Exception|Error)$", "");
      return name.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
    }
    if (root instanceof UnknownHostException && message.indexOf(' ') < 0) {
      return "unknown host " + message;
    }
    return message.replaceFirst("^.*failed with error\\(-?\\d+\\): ", "");
  }

  /**
   * Returns the exception of the system or of a handler, which Netty wraps if it cannot create a
   * socket or an event loop, and in its codecs and its TLS handler.
   */
  public static Throwable rootOf(Throwable cause) {
    Throwable inner = cause.getCause();
    boolean wraps =
        cause instanceof ChannelException
            || cause instanceof IllegalStateException
            || cause instanceof InvocationTargetException
            || cause instanceof CodecException
            || (cause instanceof SSLException && inner instanceof IOException);
    return wraps && inner != null ? rootOf(inner) : cause;
  }
}
