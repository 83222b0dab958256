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
import io.netty.handler.proxy.ProxyHandler;
import io.netty.resolver.NoopAddressResolverGroup;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseNotifier;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Opens connections along a {@link Route}, to the relay or to a target, directly or through a
 * proxy. Safe on any thread.
 */
public final class Dialer {
  private static final List<InetAddress> LOOPBACK =
      Arrays.asList(NetUtil.LOCALHOST4, NetUtil.LOCALHOST6);

  private final Transport transport;
  private final NameResolver resolver;
  private final @Nullable Proxy proxy;

  /** How often the proxy was not reached: each time the next of its addresses is used. */
  private final AtomicInteger proxyFailures = new AtomicInteger();

  private Dialer(Transport transport, NameResolver resolver, @Nullable Proxy proxy) {
    this.transport = requireNonNull(transport, "transport");
    this.resolver = requireNonNull(resolver, "resolver");
    this.proxy = proxy;
  }

  /** A dialer that looks names up with {@code resolver}. */
  public static Dialer direct(Transport transport, NameResolver resolver) {
    return new Dialer(transport, resolver, null);
  }

  /** A dialer that looks up only the proxy's name; the proxy looks up all other names. */
  public static Dialer through(Proxy proxy, Transport transport, NameResolver resolver) {
    return new Dialer(transport, resolver, proxy);
  }

  /**
   * The addresses of a route, in the order in which to try them; with a proxy, the unresolved name.
   *
   * @return completes on {@code loop}, within the time of {@link NameResolver#resolve}
   */
  public Future<List<InetSocketAddress>> resolve(Route route, EventLoop loop) {
    String host = route.host();
    if (host == null) {
      return loop.newSucceededFuture(withPort(LOOPBACK, route.port()));
    }
    InetSocketAddress address = route.address();
    if (address != null) {
      return loop.newSucceededFuture(Collections.singletonList(address));
    }
    if (proxy != null) {
      return loop.newSucceededFuture(
          Collections.singletonList(InetSocketAddress.createUnresolved(host, route.port())));
    }
    return resolve(host, route.port(), loop);
  }

  private Future<List<InetSocketAddress>> resolve(String host, int port, EventLoop loop) {
    Promise<List<InetSocketAddress>> result = loop.newPromise();
    resolver
        .resolve(host, loop)
        .addListener(
            (Future<List<InetAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                result.setSuccess(withPort(resolved.getNow(), port));
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
   * @param timeoutMillis for the TCP connect, and again for the proxy's answer
   * @param init sets options and adds handlers, before the connect
   * @return completes on {@code loop} when TCP is connected: see {@link Sockets#connect}. If the
   *     proxy refuses afterwards, the handlers receive an exception
   */
  public Future<Channel> connect(
      InetSocketAddress address,
      int timeoutMillis,
      EventLoop loop,
      Consumer<? super SocketChannel> init) {
    Proxy through = proxy;
    if (through == null) {
      return connect(address, timeoutMillis, loop, null, init);
    }
    Promise<Channel> result = loop.newPromise();
    resolve(through.host(), through.port(), loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                List<InetSocketAddress> addresses = resolved.getNow();
                int failures = proxyFailures.get();
                ProxyHandler handler =
                    through.newHandler(addresses.get(Math.floorMod(failures, addresses.size())));
                handler.setConnectTimeoutMillis(timeoutMillis);
                connect(address, timeoutMillis, loop, handler, init)
                    .addListener(
                        (Future<Channel> connected) -> {
                          if (!connected.isSuccess()) {
                            proxyFailures.compareAndSet(failures, failures + 1);
                          }
                        })
                    .addListener(new PromiseNotifier<>(result));
              } else {
                result.setFailure(resolved.cause());
              }
            });
    return result;
  }

  private Future<Channel> connect(
      InetSocketAddress address,
      int timeoutMillis,
      EventLoop loop,
      @Nullable ProxyHandler proxyHandler,
      Consumer<? super SocketChannel> init) {
    Bootstrap bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(transport.channel())
            .resolver(NoopAddressResolverGroup.INSTANCE)
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, timeoutMillis)
            .handler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    Sockets.tune(channel);
                    channel.config().setRecvByteBufAllocator(new ReceiveBuffer());
                    if (proxyHandler != null) {
                      channel.pipeline().addLast("proxy", proxyHandler);
                    }
                    init.accept(channel);
                  }
                });
    return Sockets.connect(bootstrap, address, loop);
  }
}
