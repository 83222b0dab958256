package io.c2crelay.server;

import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.logging.CountsLog;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.splice.BufferBudget;
import io.c2crelay.common.splice.SpliceSettings;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.EventLoops;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.accept.AcceptFaults;
import io.c2crelay.server.accept.ConnectionClassifier;
import io.c2crelay.server.accept.ConnectionSink;
import io.c2crelay.server.agent.AgentConnections;
import io.c2crelay.server.session.AgentAddresses;
import io.c2crelay.server.session.BrokerSettings;
import io.c2crelay.server.session.ConnectionLimit;
import io.c2crelay.server.session.SessionBroker;
import io.c2crelay.server.session.Source;
import io.c2crelay.server.session.User;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A relay: puts the parts together, listens, and stops. Data flows one way through them: accepted,
 * classified, waiting, paired, spliced.
 */
public final class RelayServer {
  private static final Logger log = LoggerFactory.getLogger(RelayServer.class);
  private static final LogThrottle DROPPED = LogThrottle.of(log, "connection.refused", 10);

  /** The grace time where an agent is expected, in nanoseconds: it must not be taken for a user. */
  private static final long AGENT_GRACE_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  /** Connections not yet identified: a quarter of the sessions, but at least so many. */
  private static final int MIN_UNIDENTIFIED = 64;

  private final ServerConfig config;
  private final EventLoopGroup loops;
  private final SessionBroker broker;
  private final AgentAddresses addresses = new AgentAddresses();
  private final AgentConnections agents;
  private final ConnectionLimit<SocketChannel> unidentified;
  private final Channel listener;
  private volatile boolean draining;

  private RelayServer(ServerConfig config) throws StartupException {
    this.config = config;
    int maxUnidentified = Math.max(MIN_UNIDENTIFIED, config.maxSessions() / 4);
    unidentified = ConnectionLimit.of(maxUnidentified, maxUnidentified);
    SecureRandom random = new SecureRandom();
    try {
      Identity identity = Identity.create(random);
      RelayTls tls = RelayTls.ofRelay(identity);
      tls.warmUp();
      loops = config.transport().newEventLoops(config.threads());
      EventLoop brokerLoop = loops.next();
      BufferBudget budget = BufferBudget.ofBytes(config.sessionMemory());
      broker =
          new SessionBroker(
              brokerLoop,
              BrokerSettings.of(config.pool(), config.waitLimit(), config.maxSessions()),
              budget,
              addresses,
              random);
      agents =
          new AgentConnections(
              tls,
              identity.binding(),
              config.key().stretch(),
              broker,
              brokerLoop,
              SpliceSettings.of(
                  SpliceSettings.Side.RELAY,
                  budget,
                  config.idleTimeout(),
                  config.halfCloseTimeout()),
              addresses,
              random);
      listener = listen();
      log.info(
          "relay.listening address={} port={} transport={} tls={} max_sessions={}",
          NetUtil.toAddressString(localAddress().getAddress()),
          port(),
          config.transport(),
          tls.providerName(),
          config.maxSessions());
      CountsLog.start(log, "relay.counts", brokerLoop, this::counts);
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    long descriptors = DescriptorLimit.get();
    if (!Descriptors.suffice(descriptors, config.maxSessions())) {
      log.warn(
          "descriptors.few limit={} max_sessions={} note=\"a session takes two: allow it more (LimitNOFILE, ulimit -n) or fewer sessions\"",
          descriptors,
          config.maxSessions());
    }
    if (!config.key().isLong()) {
      log.warn(
          "key.short note=\"a key of fewer than 20 characters can be guessed; let the relay make one\"");
    }
  }

  /**
   * Listens. Blocks the caller until the port is bound.
   *
   * @throws StartupException with one clear sentence if the machine refuses
   */
  public static RelayServer start(ServerConfig config) throws StartupException {
    return new RelayServer(config);
  }

  private String counts() {
    return "unidentified=" + unidentified.size() + " " + agents.counts() + " " + broker.counts();
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
    bound.channel().pipeline().addLast("accept-faults", new AcceptFaults());
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
      throw new StartupException("the address of --bind is not known on this machine", e);
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
    Source source = Source.of(channel.remoteAddress());
    SocketChannel oldest = unidentified.enter(source, channel);
    if (oldest != null) {
      drop(oldest);
    }
    channel.closeFuture().addListener(closed -> unidentified.leave(source, channel));
    channel
        .pipeline()
        .addLast(
            "classifier",
            new ConnectionClassifier(
                () -> graceNanos(channel, source), new Router(channel, source)));
  }

  private static void drop(SocketChannel channel) {
    if (DROPPED.allows()) {
      log.info(
          "connection.refused from={} reason={}",
          Sockets.text(channel.remoteAddress()),
          ReasonCode.LIMIT);
    }
    Sockets.reset(channel);
  }

  private long graceNanos(SocketChannel channel, Source source) {
    long now = channel.eventLoop().ticker().nanoTime();
    long grace = config.grace().toNanos();
    return addresses.isExpected(source, now) ? Math.max(grace, AGENT_GRACE_NANOS) : grace;
  }

  /** The port listened on, also where the command line says 0. */
  public int port() {
    return localAddress().getPort();
  }

  private InetSocketAddress localAddress() {
    return (InetSocketAddress) listener.localAddress();
  }

  /**
   * Stops: no more connections, no more sessions; running ones may go on for the drain time.
   *
   * @return completes when all is closed
   */
  public Future<Void> drain() {
    log.info("relay.draining limit={}ms", config.drain().toMillis());
    draining = true;
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    listener
        .close()
        .addListener(
            noMoreAccepted -> {
              unidentified.all().forEach(Sockets::reset);
              broker.drain().addListener(noneLeft -> end(done));
              // here and not by the caller, for whom the loops may have ended already
              loops.schedule(
                  () -> broker.abortAll(ReasonCode.DRAINING),
                  config.drain().toNanos(),
                  TimeUnit.NANOSECONDS);
            });
    return done;
  }

  private void end(Promise<Void> done) {
    EventLoops.end(loops)
        .addListener(
            ended -> {
              log.info("relay.stopped");
              done.setSuccess(null);
            });
  }

  /** From the classifier to the rooms behind it. */
  private final class Router implements ConnectionSink {
    private final SocketChannel channel;
    private final Source source;

    Router(SocketChannel channel, Source source) {
      this.channel = channel;
      this.source = source;
    }

    @Override
    public void user(boolean silent) {
      unidentified.leave(source, channel);
      if (draining) {
        Sockets.reset(channel);
      } else {
        User.enter(channel, broker, silent);
      }
    }

    @Override
    public void confirmed() {
      User.confirm(channel);
    }

    @Override
    public void notAUser() {
      User.withdraw(channel);
    }

    @Override
    public void magic() {
      unidentified.leave(source, channel);
      agents.guard(channel);
    }

    @Override
    public void agent(Preamble preamble) {
      agents.accept(channel, preamble);
    }
  }
}
