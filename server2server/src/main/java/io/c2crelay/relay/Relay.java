package io.c2crelay.relay;

import io.c2crelay.common.admin.AdminServer;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.FailFastEventLoopGroup;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.agents.AgentConnections;
import io.c2crelay.relay.auth.Authenticator;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayMetrics;
import io.c2crelay.relay.listen.Listener;
import io.c2crelay.relay.listen.ServicePort;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.ChannelException;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The relay server: creates its components, listens on the ports of its services, and drains. */
final class Relay {
  /** The configuration at startup; {@link #apply} may have changed parts of it since. */
  private final RelayConfig config;

  private final RelayEvents events;
  private final Services services;
  private final @Nullable InetAddress bindAddress;
  private final String tlsName;
  private final FailFastEventLoopGroup loops;
  private final Dispatchers dispatchers;
  private final Listener listener;
  private final @Nullable RelayMonitor monitor;
  private @Nullable AdminServer admin;

  private Relay(RelayConfig config) throws StartupException {
    this.config = config;
    PrometheusRegistry metrics = config.admin == null ? null : new PrometheusRegistry();
    RelayMetrics counted = metrics == null ? null : new RelayMetrics(metrics);
    events = counted == null ? new RelayEvents() : counted;
    bindAddress = bindAddress(config);
    SecureRandom random = new SecureRandom();
    byte[] channelBinding;
    RelayTls tls;
    try {
      Identity identity = Identity.create(random);
      channelBinding = identity.binding();
      tls = RelayTls.ofRelay(identity);
      tls.warmUp();
      loops = config.shared().transport().newEventLoops(config.shared().threads());
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    EventLoop dispatcherLoop = loops.next();
    BufferBudget budget = BufferBudget.ofBytes(config.shared().sessionMemory());
    AgentAddresses agentAddresses = new AgentAddresses();
    dispatchers =
        new Dispatchers(
            dispatcherLoop, config.dispatcherSettings(), budget, agentAddresses, random, events);
    services = new Services(dispatchers, dispatcherLoop, agentAddresses, events);
    Authenticator authenticator =
        new Authenticator(channelBinding, services.keyRings(), random, events);
    monitor =
        metrics == null || counted == null
            ? null
            : new RelayMonitor(
                metrics, counted, dispatchers, authenticator::throttledNetworks, loops);
    AgentConnections agents =
        new AgentConnections(
            tls,
            authenticator,
            services.registries(),
            dispatchers,
            BridgeSettings.of(
                BridgeSettings.Side.RELAY, budget, config.idleTimeout, config.halfCloseTimeout),
            agentAddresses,
            events);
    listener =
        new Listener(
            loops,
            config.shared().transport(),
            config.detectTimeout,
            config.maxSessions,
            agentAddresses,
            agents,
            config.loadBalancers,
            config.accessRules(),
            events);
    tlsName = tls.providerName();
    try {
      applyServices(config);
    } catch (StartupException e) {
      loops.shutdownGracefully(0, 0, TimeUnit.SECONDS);
      throw e;
    }
    events.relayStats(
        dispatcherLoop,
        () ->
            "unidentified="
                + listener.unidentified()
                + " "
                + agents.stats()
                + " "
                + dispatchers.stats());
    startAdmin();
    warn();
  }

  private void startAdmin() throws StartupException {
    if (config.admin != null && monitor != null) {
      try {
        admin = AdminServer.start(config.admin, monitor, monitor::sample);
      } catch (StartupException e) {
        loops.shutdownGracefully(0, 0, TimeUnit.SECONDS); // closes the sockets
        throw e;
      }
      events.adminListening(admin.address());
    }
  }

  /** Logs the status; does nothing without the admin endpoint. */
  public void logStatus() {
    if (monitor != null) {
      AdminServer.log(monitor);
    }
  }

  private static @Nullable InetAddress bindAddress(RelayConfig config) throws StartupException {
    String host = config.bind;
    try {
      return host == null ? null : InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new StartupException("the host name of --bind cannot be resolved", e);
    }
  }

  /** Adds, moves and removes services, and logs the changes. */
  private void applyServices(RelayConfig next) throws StartupException {
    Map<ServiceName, ServicePort> before = services.ports();
    services.apply(next.services, listener, bindAddress);
    Map<ServiceName, ServicePort> now = services.ports();
    for (ServiceName service : before.keySet()) {
      if (!now.containsKey(service)) {
        events.serviceRemoved(service);
        if (monitor != null) {
          monitor.removed(service);
        }
      }
    }
    now.forEach(
        (service, port) -> {
          if (port != before.get(service)) {
            events.relayListening(
                service, port.address(), config.shared().transport(), tlsName, next.maxSessions);
            if (monitor != null) {
              monitor.listening(service, port);
            }
          }
        });
  }

  /**
   * Starts a relay. Blocks the calling thread until the ports are bound.
   *
   * @throws StartupException if startup fails; the message is one sentence for the user
   */
  public static Relay start(RelayConfig config) throws StartupException {
    return new Relay(config);
  }

  private void warn() {
    long descriptors = DescriptorLimit.get();
    if (!DescriptorLimit.suffices(descriptors, config.maxSessions)) {
      events.descriptorsFew(descriptors, config.maxSessions);
    }
  }

  /**
   * Applies another configuration: services, keys, lists of networks, limits. Detaches agents whose
   * key or service was removed; sessions continue. Blocks on files: call it on any thread but an
   * event loop.
   *
   * @throws StartupException if a file cannot be read or a port cannot be bound; nothing has
   *     changed then
   */
  public synchronized void apply(RelayConfig next) throws StartupException {
    applyServices(next);
    listener.reload(next.loadBalancers, next.accessRules(), next.maxSessions);
    dispatchers.reload(next.dispatcherSettings());
  }

  /**
   * Stops accepting connections and starting sessions. Running sessions are aborted after the drain
   * timeout. Call it once, on any thread.
   *
   * @return completes when all connections are closed and the event loops have ended
   */
  public Future<Void> drain() {
    events.relayDraining(config.shared().drain());
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    listener
        .drain()
        .addListener(
            closed -> {
              dispatchers.drain().addListener(sessionsEnded -> endLoops(done));
              // scheduled here: the loops may have ended by the time drain() returns
              loops.schedule(
                  () -> dispatchers.abortAll(ReasonCode.DRAINING),
                  config.shared().drain().toNanos(),
                  TimeUnit.NANOSECONDS);
            });
    return done;
  }

  private void endLoops(Promise<Void> done) {
    loops
        .terminate()
        .addListener(
            loopsEnded -> {
              if (admin != null) {
                admin.stop();
              }
              events.relayStopped();
              done.setSuccess(null);
            });
  }
}
