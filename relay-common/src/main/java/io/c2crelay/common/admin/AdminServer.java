package io.c2crelay.common.admin;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.transport.Sockets;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.timeout.ReadTimeoutHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The admin endpoint: read-only HTTP on its own event loop, so slow requests do not delay sessions.
 * At most 32 connections: a new one replaces the oldest. Each may be idle for 10 s.
 */
public final class AdminServer {
  private static final Logger log = LoggerFactory.getLogger(AdminServer.class);

  private static final int MAX_CONNECTIONS = 32;
  private static final int MAX_REQUEST_BYTES = 8 * 1024;
  private static final int IDLE_SECONDS = 10;

  private final LogThrottle refused = LogThrottle.of(log, "admin.refused", 10);

  private final EventLoopGroup loop =
      new MultiThreadIoEventLoopGroup(
          1, new DefaultThreadFactory("admin", true), NioIoHandler.newFactory());

  /** Oldest first; accessed only on the loop. */
  private final Set<Channel> connections = new LinkedHashSet<>();

  private final Channel server;

  private AdminServer(AdminSettings settings, Monitor monitor, Runnable sampler)
      throws StartupException {
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loop)
            .channel(NioServerSocketChannel.class)
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    accepted(channel, settings, monitor);
                  }
                });
    ChannelFuture bound = bootstrap.bind(settings.address()).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      stop();
      throw new StartupException(
          "cannot listen on "
              + Sockets.text(settings.address())
              + " (--admin): "
              + Sockets.messageOf(bound.cause()),
          bound.cause());
    }
    server = bound.channel();
    loop.scheduleAtFixedRate(
        sampler, SessionBook.SAMPLE_SECONDS, SessionBook.SAMPLE_SECONDS, TimeUnit.SECONDS);
  }

  /**
   * Starts to listen.
   *
   * @param sampler run on the server's thread every {@link SessionBook#SAMPLE_SECONDS}
   * @throws StartupException if the port cannot be bound; the message is one sentence for the user
   */
  public static AdminServer start(AdminSettings settings, Monitor monitor, Runnable sampler)
      throws StartupException {
    return new AdminServer(
        requireNonNull(settings, "settings"),
        requireNonNull(monitor, "monitor"),
        requireNonNull(sampler, "sampler"));
  }

  /** Writes a status to the log, line by line. */
  public static void log(Monitor monitor) {
    monitor
        .status(GlobalEventExecutor.INSTANCE)
        .addListener(
            (Future<Map<String, Object>> status) -> {
              if (status.isSuccess()) {
                for (String line : StatusText.of(status.getNow()).split("\n", -1)) {
                  if (!line.isEmpty()) {
                    log.info("status line={}", LogText.value(line));
                  }
                }
              }
            });
  }

  /** The address that the server listens on. */
  public InetSocketAddress address() {
    return (InetSocketAddress) server.localAddress();
  }

  private void accepted(SocketChannel channel, AdminSettings settings, Monitor monitor) {
    if (connections.size() >= MAX_CONNECTIONS) {
      Channel oldest = connections.iterator().next();
      connections.remove(oldest);
      Sockets.reset(oldest);
    }
    connections.add(channel);
    channel.closeFuture().addListener(closed -> connections.remove(channel));
    channel
        .pipeline()
        .addLast(
            new ReadTimeoutHandler(IDLE_SECONDS),
            new HttpServerCodec(
                new HttpDecoderConfig()
                    .setMaxInitialLineLength(MAX_REQUEST_BYTES / 2)
                    .setMaxHeaderSize(MAX_REQUEST_BYTES)),
            new HttpObjectAggregator(MAX_REQUEST_BYTES, true),
            new AdminHandler(settings.password(), monitor, this::wrongPassword));
  }

  private void wrongPassword(SocketAddress from) {
    if (refused.allows()) {
      log.warn("admin.refused from={} note=\"wrong password\"", Sockets.text(from));
    }
  }

  /** Closes the server and all connections. Does not block. */
  public void stop() {
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
