package io.c2crelay.relay;

import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.FailFastEventLoopGroup;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.agents.AgentConnections;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.ConnectionRefusal;
import io.c2crelay.relay.listen.AcceptErrorHandler;
import io.c2crelay.relay.listen.ConnectionClassifier;
import io.c2crelay.relay.listen.ConnectionRouter;
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.DispatcherSettings;
import io.c2crelay.relay.session.User;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The relay server: creates its components, listens on the port, adds a classifier to each accepted
 * connection, and drains.
 */
public final class Relay {
  /** The shortest detection timeout for a network where an agent is expected. */
  private static final long EXPECTED_AGENT_DETECT_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  /** Lower bound of the limit on unidentified connections, which is a quarter of the sessions. */
  private static final int MIN_UNIDENTIFIED = 64;

  private final RelayConfig config;
  private final RelayEvents events = new RelayEvents();
  private final FailFastEventLoopGroup loops;
  private final Dispatcher dispatcher;
  private final AgentAddresses addresses = new AgentAddresses();
  private final AgentConnections agents;
  private final ConnectionLimit<SocketChannel> unidentified;
  private final Channel listener;
  private volatile boolean draining;

  private Relay(RelayConfig config) throws StartupException {
    this.config = config;
    int maxUnidentified = Math.max(MIN_UNIDENTIFIED, config.maxSessions() / 4);
    unidentified = ConnectionLimit.of(maxUnidentified, maxUnidentified);
    SecureRandom random = new SecureRandom();
    try {
      Identity identity = Identity.create(random);
      RelayTls tls = RelayTls.ofRelay(identity);
      tls.warmUp();
      loops = config.transport().newEventLoops(config.threads());
      EventLoop dispatcherLoop = loops.next();
      BufferBudget budget = BufferBudget.ofBytes(config.sessionMemory());
      dispatcher =
          new Dispatcher(
              dispatcherLoop,
              DispatcherSettings.of(config.pool(), config.queueTimeout(), config.maxSessions()),
              budget,
              addresses,
              random,
              events);
      agents =
          new AgentConnections(
              tls,
              identity.binding(),
              config.key().deriveKey(),
              dispatcher,
              dispatcherLoop,
              BridgeSettings.of(
                  BridgeSettings.Side.RELAY,
                  budget,
                  config.idleTimeout(),
                  config.halfCloseTimeout()),
              addresses,
              random,
              events);
      listener = listen();
      events.relayListening(
          localAddress(), config.transport(), tls.providerName(), config.maxSessions());
      events.relayCounts(dispatcherLoop, this::counts);
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    long descriptors = DescriptorLimit.get();
    if (!DescriptorLimit.suffices(descriptors, config.maxSessions())) {
      events.descriptorsFew(descriptors, config.maxSessions());
    }
    if (!config.key().isLong()) {
      events.keyShort();
    }
  }

  /**
   * Starts a relay. Blocks the calling thread until the port is bound.
   *
   * @throws StartupException if startup fails; the message is one sentence for the user
   */
  public static Relay start(RelayConfig config) throws StartupException {
    return new Relay(config);
  }

  private String counts() {
    return "unidentified="
        + unidentified.size()
        + " "
        + agents.counts()
        + " "
        + dispatcher.counts();
  }

  private Channel listen() throws StartupException {
    InetSocketAddress address = bindAddress();
    ChannelFuture bound =
        new ServerBootstrap()
            .group(loops)
            .channel(config.transport().serverChannel())
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    accepted(channel);
                  }
                })
            .bind(address)
            .awaitUninterruptibly();
    if (!bound.isSuccess()) {
      loops.shutdownGracefully(0, 0, TimeUnit.SECONDS);
      throw new StartupException(
          "cannot listen on " + Sockets.text(address) + ": " + Sockets.wordsOf(bound.cause()),
          bound.cause());
    }
    bound.channel().pipeline().addLast("accept-error", new AcceptErrorHandler());
    return bound.channel();
  }

  private InetSocketAddress bindAddress() throws StartupException {
    String host = config.bind();
    if (host == null) {
      return new InetSocketAddress(config.port());
    }
    try {
      return new InetSocketAddress(InetAddress.getByName(host), config.port());
    } catch (UnknownHostException e) {
      throw new StartupException("the host name of --bind cannot be resolved", e);
    }
  }

  private void accepted(SocketChannel channel) {
    if (draining) {
      Sockets.reset(channel);
      return;
    }
    Sockets.tune(channel);
    channel.config().setAllowHalfClosure(true);
    channel.config().setRecvByteBufAllocator(new ReceiveBuffer());
    ClientNetwork network = ClientNetwork.of(channel.remoteAddress());
    SocketChannel oldest = unidentified.enter(network, channel);
    if (oldest != null) {
      events.connectionRefused(oldest.remoteAddress(), ConnectionRefusal.LIMIT);
      Sockets.reset(oldest);
    }
    channel.closeFuture().addListener(closed -> unidentified.leave(network, channel));
    channel
        .pipeline()
        .addLast(
            "classifier",
            new ConnectionClassifier(
                () -> detectTimeoutNanos(channel, network), new Router(channel, network), events));
  }

  private long detectTimeoutNanos(SocketChannel channel, ClientNetwork network) {
    long now = channel.eventLoop().ticker().nanoTime();
    long detectTimeout = config.detectTimeout().toNanos();
    return addresses.isExpected(network, now)
        ? Math.max(detectTimeout, EXPECTED_AGENT_DETECT_NANOS)
        : detectTimeout;
  }

  /** The port that is bound, also if the configured one is 0. */
  public int port() {
    return localAddress().getPort();
  }

  private InetSocketAddress localAddress() {
    return (InetSocketAddress) listener.localAddress();
  }

  /**
   * Stops accepting connections and starting sessions. Running sessions are aborted after the drain
   * timeout. Call it once, on any thread.
   *
   * @return completes when all connections are closed and the event loops have ended
   */
  public Future<Void> drain() {
    events.relayDraining(config.drain());
    draining = true;
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    listener
        .close()
        .addListener(
            listenerClosed -> {
              unidentified.all().forEach(Sockets::reset);
              dispatcher.drain().addListener(sessionsEnded -> endLoops(done));
              // scheduled here: the loops may have ended by the time drain() returns
              loops.schedule(
                  () -> dispatcher.abortAll(ReasonCode.DRAINING),
                  config.drain().toNanos(),
                  TimeUnit.NANOSECONDS);
            });
    return done;
  }

  private void endLoops(Promise<Void> done) {
    loops
        .terminate()
        .addListener(
            loopsEnded -> {
              events.relayStopped();
              done.setSuccess(null);
            });
  }

  /** Passes one connection from its classifier to the user or the agent handlers. */
  private final class Router implements ConnectionRouter {
    private final SocketChannel channel;
    private final ClientNetwork network;
    private @Nullable User user;

    Router(SocketChannel channel, ClientNetwork network) {
      this.channel = channel;
      this.network = network;
    }

    @Override
    public void user(boolean silent) {
      unidentified.leave(network, channel);
      if (draining) {
        Sockets.reset(channel);
      } else {
        user = User.enter(channel, dispatcher, events, silent);
      }
    }

    @Override
    public void confirmed() {
      if (user != null) {
        user.confirm();
      }
    }

    @Override
    public void misclassified() {
      if (user != null) {
        user.misclassified();
      }
    }

    @Override
    public void magic() {
      unidentified.leave(network, channel);
      agents.guard(channel);
    }

    @Override
    public void agent(Preamble preamble) {
      agents.accept(channel, preamble);
    }
  }
}
