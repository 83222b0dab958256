package io.c2crelay.relay.listen;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.Transport;
import io.c2crelay.relay.address.AccessRules;
import io.c2crelay.relay.address.AddressList;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.agents.AgentConnections;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.ConnectionRefusal;
import io.c2crelay.relay.session.Dispatcher;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.haproxy.HAProxyMessageDecoder;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Listens on the {@link ServicePort}s of all services: classifies each accepted connection, and
 * passes users to the dispatcher of the port and agents to {@link AgentConnections}. Safe on any
 * thread.
 */
public final class Listener {
  /** The shortest detection timeout for a network where an agent is expected. */
  private static final long EXPECTED_AGENT_DETECT_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  /**
   * The shortest detection timeout for an address that no user may connect from: it delays no user.
   */
  private static final long AGENT_ONLY_DETECT_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** Lower bound of the limit on unidentified connections, which is a quarter of the sessions. */
  private static final int MIN_UNIDENTIFIED = 64;

  private final EventLoopGroup loops;
  private final Transport transport;
  private final long detectTimeoutNanos;
  private final AgentAddresses addresses;
  private final AgentConnections agents;
  private volatile AddressList loadBalancers;
  private volatile AccessRules access;
  private final RelayEvents events;
  private final ConnectionLimit<SocketChannel> unidentified;
  private final ChannelGroup sockets = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE, true);
  private volatile boolean draining;

  /**
   * @param detectTimeout time after which a silent connection is classified as a user's
   * @param maxSessions also limits the unidentified connections
   * @param loadBalancers networks whose connections begin with a PROXY header
   */
  public Listener(
      EventLoopGroup loops,
      Transport transport,
      Duration detectTimeout,
      int maxSessions,
      AgentAddresses addresses,
      AgentConnections agents,
      AddressList loadBalancers,
      AccessRules access,
      RelayEvents events) {
    this.loops = requireNonNull(loops, "loops");
    this.transport = requireNonNull(transport, "transport");
    this.detectTimeoutNanos = detectTimeout.toNanos();
    this.addresses = requireNonNull(addresses, "addresses");
    this.agents = requireNonNull(agents, "agents");
    this.loadBalancers = requireNonNull(loadBalancers, "loadBalancers");
    this.access = requireNonNull(access, "access");
    this.events = requireNonNull(events, "events");
    unidentified = ConnectionLimit.of(maxUnidentified(maxSessions), maxUnidentified(maxSessions));
  }

  private static int maxUnidentified(int maxSessions) {
    return Math.max(MIN_UNIDENTIFIED, maxSessions / 4);
  }

  /**
   * Listens on one more address, for all agents and for the users of a service.
   *
   * @param users the dispatcher of the service; connections are reset while it is null
   */
  ChannelFuture bind(InetSocketAddress address, Supplier<? extends @Nullable Dispatcher> users) {
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loops)
            .channel(transport.serverChannel())
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    accepted(channel, users.get());
                  }
                });
    ChannelFuture bound = bootstrap.bind(address);
    // after Netty's own handler, which pauses accepting and is not in the pipeline before the bind
    bound.addListener(
        done -> {
          if (done.isSuccess()) {
            bound.channel().pipeline().addLast("accept-error", new AcceptErrorHandler(events));
            sockets.add(bound.channel()); // closes it if draining
          }
        });
    return bound;
  }

  private void accepted(SocketChannel channel, @Nullable Dispatcher users) {
    if (draining || users == null) {
      Sockets.reset(channel);
      return;
    }
    Sockets.tune(channel);
    channel.config().setAllowHalfClosure(true);
    channel.config().setRecvByteBufAllocator(new ReceiveBuffer());
    ClientAddress client = ClientAddress.of(channel);
    if (loadBalancers.contains(client.remote())) {
      awaitProxyHeader(channel, client, users);
    } else {
      classify(channel, client, users);
    }
  }

  private void awaitProxyHeader(
      SocketChannel channel, ClientAddress loadBalancer, Dispatcher users) {
    enter(channel, loadBalancer);
    ProxyHeaderHandler.Owner owner =
        new ProxyHeaderHandler.Owner() {
          @Override
          public void accepted(ClientAddress client) {
            identified(channel, loadBalancer);
            classify(channel, client, users);
          }

          @Override
          public void refused() {
            refuse(channel, loadBalancer, ConnectionRefusal.PROXY_HEADER);
          }
        };
    channel
        .pipeline()
        .addLast("proxy-decoder", new HAProxyMessageDecoder())
        .addLast("proxy-header", new ProxyHeaderHandler(loadBalancer, owner));
  }

  private void classify(SocketChannel channel, ClientAddress client, Dispatcher users) {
    if (!access.allowsUser(client.remote()) && !access.allowsAgent(client.remote())) {
      refuse(channel, client, ConnectionRefusal.NOT_ALLOWED);
      return;
    }
    enter(channel, client);
    channel
        .pipeline()
        .addLast(
            "classifier",
            new ConnectionClassifier(
                () -> detectTimeoutNanos(channel, client),
                new Router(channel, client, users, this)));
  }

  private void enter(SocketChannel channel, ClientAddress client) {
    SocketChannel oldest = unidentified.enter(client.network(), channel);
    if (oldest != null) {
      events.connectionRefused(oldest.remoteAddress(), ConnectionRefusal.LIMIT);
      Sockets.reset(oldest);
    }
    channel.closeFuture().addListener(closed -> identified(channel, client));
  }

  private long detectTimeoutNanos(SocketChannel channel, ClientAddress client) {
    if (!access.allowsUser(client.remote())) {
      return Math.max(detectTimeoutNanos, AGENT_ONLY_DETECT_NANOS);
    }
    ClientNetwork network = client.network();
    return addresses.isExpected(network, channel.eventLoop().ticker().nanoTime())
        ? Math.max(detectTimeoutNanos, EXPECTED_AGENT_DETECT_NANOS)
        : detectTimeoutNanos;
  }

  /** Replaces the lists of networks; open connections stay. */
  public void reload(AddressList newLoadBalancers, AccessRules newAccess, int maxSessions) {
    unidentified.change(maxUnidentified(maxSessions), maxUnidentified(maxSessions));
    loadBalancers = newLoadBalancers;
    access = newAccess.after(access);
  }

  /** The number of connections not yet identified as a user's or an agent's. */
  public int unidentified() {
    return unidentified.size();
  }

  /**
   * Closes the listening sockets, then resets the unidentified connections.
   *
   * @return completes when the sockets are closed
   */
  public Future<Void> drain() {
    draining = true;
    return sockets.close().addListener(closed -> unidentified.all().forEach(Sockets::reset));
  }

  // --- for the routers ---

  void identified(SocketChannel channel, ClientAddress client) {
    unidentified.leave(client.network(), channel);
  }

  void refuse(SocketChannel channel, ClientAddress client, ConnectionRefusal reason) {
    events.connectionRefused(client.remote(), reason);
    Sockets.reset(channel);
  }

  AgentAddresses addresses() {
    return addresses;
  }

  AccessRules access() {
    return access;
  }

  boolean isDraining() {
    return draining;
  }

  AgentConnections agents() {
    return agents;
  }

  RelayEvents events() {
    return events;
  }
}
