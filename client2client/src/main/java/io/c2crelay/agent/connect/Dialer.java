package io.c2crelay.agent.connect;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.Transport;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** Opens connections along a {@link Route}, to the relay or to a target. Safe on any thread. */
public final class Dialer {
  private static final List<InetAddress> LOOPBACK =
      Arrays.asList(NetUtil.LOCALHOST4, NetUtil.LOCALHOST6);

  private final Transport transport;
  private final NameResolver resolver;

  /** A dialer that looks names up with {@code resolver}. */
  public Dialer(Transport transport, NameResolver resolver) {
    this.transport = requireNonNull(transport, "transport");
    this.resolver = requireNonNull(resolver, "resolver");
  }

  /**
   * The addresses of a route, in the order in which to try them.
   *
   * @return completes on {@code loop}, within the time of {@link NameResolver#resolve}
   */
  public Future<List<InetSocketAddress>> resolve(Route route, EventLoop loop) {
    String host = route.host();
    if (host == null) {
      return loop.newSucceededFuture(withPort(LOOPBACK, route.port()));
    }
    Promise<List<InetSocketAddress>> result = loop.newPromise();
    resolver
        .resolve(host, loop)
        .addListener(
            (Future<List<InetAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                result.setSuccess(withPort(resolved.getNow(), route.port()));
              } else {
                result.setFailure(resolved.cause());
              }
            });
    return result;
  }

  private static List<InetSocketAddress> withPort(List<InetAddress> addresses, int port) {
    List<InetSocketAddress> result = new ArrayList<>(addresses.size());
    addresses.forEach(address -> result.add(new InetSocketAddress(address, port)));
    return result;
  }

  /**
   * Connects to one address.
   *
   * @param init sets options and adds handlers, before the connect
   * @return completes on {@code loop}: see {@link Sockets#connect}
   */
  public Future<Channel> connect(
      InetSocketAddress address,
      int timeoutMillis,
      EventLoop loop,
      Consumer<? super SocketChannel> init) {
    Bootstrap bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(transport.channel())
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, timeoutMillis)
            .handler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    Sockets.tune(channel);
                    channel.config().setRecvByteBufAllocator(new ReceiveBuffer());
                    init.accept(channel);
                  }
                });
    return Sockets.connect(bootstrap, address, loop);
  }
}
