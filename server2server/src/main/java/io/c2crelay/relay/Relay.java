package io.c2crelay.relay;

import io.c2crelay.common.admin.AdminServer;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.cli.Running;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.FailFastEventLoopGroup;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.agents.AgentConnections;
import io.c2crelay.relay.agents.AgentRegistry;
import io.c2crelay.relay.auth.Authenticator;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayMetrics;
import io.c2crelay.relay.listen.Listener;
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The relay server: creates its components, listens on the ports of its services, and drains. */
final class Relay {
  private volatile RelayConfig config;
  private final RelayEvents events;
  private final Map<ServiceName, KeyRing> keyRings = new HashMap<>();
  private final Map<ServiceName, AgentRegistry> registries = new HashMap<>();
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
    InetAddress bindAddress = bindAddress();
    SecureRandom random = new SecureRandom();
    byte[] channelBinding;
    RelayTls tls;
    try {
      Identity identity = Identity.create(random);
      channelBinding = identity.binding();
      tls = RelayTls.ofRelay(identity);
      tls.warmUp();
      loops = config.transport.newEventLoops(config.threads);
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    EventLoop dispatcherLoop = loops.next();
    BufferBudget budget = BufferBudget.ofBytes(config.sessionMemory);
    AgentAddresses agentAddresses = new AgentAddresses();
    dispatchers =
        new Dispatchers(
            dispatcherLoop, config.dispatcherSettings(), budget, agentAddresses, random, events);
    Map<KeySource, KeyRing> ringsBySource = new HashMap<>();
    Map<ServiceConfig, Dispatcher> services = new LinkedHashMap<>();
    for (ServiceConfig service : config.services) {
      KeyRing ring =
          ringsBySource.computeIfAbsent(service.keys, source -> KeyRing.of(source.keys()));
      Dispatcher dispatcher = dispatchers.create(service.name);
      keyRings.put(service.name, ring);
      services.put(service, dispatcher);
      registries.put(
          service.name,
          new AgentRegistry(dispatcherLoop, ring, dispatcher, agentAddresses, events));
    }
    Authenticator authenticator = new Authenticator(channelBinding, keyRings, random, events);
    monitor =
        metrics == null || counted == null
            ? null
            : new RelayMonitor(
                metrics, counted, dispatchers, authenticator::throttledNetworks, loops);
    AgentConnections agents =
        new AgentConnections(
            tls,
            authenticator,
            registries,
            dispatchers,
            BridgeSettings.of(
                BridgeSettings.Side.RELAY, budget, config.idleTimeout, config.halfCloseTimeout),
            agentAddresses,
            events);
    listener =
        new Listener(
            loops,
            config.transport,
            config.detectTimeout,
            config.maxSessions,
            agentAddresses,
            agents,
            config.loadBalancers,
            config.accessRules(),
            events);
    for (Map.Entry<ServiceConfig, Dispatcher> entry : services.entrySet()) {
      ServiceConfig service = entry.getKey();
      InetSocketAddress bound =
          listen(new InetSocketAddress(bindAddress, service.port), entry.getValue());
      events.relayListening(
          service.name, bound, config.transport, tls.providerName(), config.maxSessions);
      if (monitor != null) {
        monitor.listening(service, bound);
      }
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

  /** Writes the status to the log; there is none without the admin endpoint. */
  public void logStatus() {
    if (monitor != null) {
      AdminServer.log(monitor);
    }
  }

  private @Nullable InetAddress bindAddress() throws StartupException {
    String host = config.bind;
    try {
      return host == null ? null : InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new StartupException("the host name of --bind cannot be resolved", e);
    }
  }

  private InetSocketAddress listen(InetSocketAddress address, Dispatcher users)
      throws StartupException {
    ChannelFuture bound = listener.bind(address, users).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      loops.shutdownGracefully(0, 0, TimeUnit.SECONDS); // closes the other sockets
      throw new StartupException(
          "cannot listen on " + Sockets.text(address) + ": " + Sockets.messageOf(bound.cause()),
          bound.cause());
    }
    return (InetSocketAddress) bound.channel().localAddress();
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
    config.services.stream()
        .map(service -> service.keys)
        .distinct()
        .forEach(source -> warnOfShortKeys(source.keys()));
  }

  private void warnOfShortKeys(List<SharedKey> keys) {
    keys.stream().filter(key -> !key.isStrong()).forEach(key -> events.keyShort(key.name()));
  }

  /**
   * Reads the configuration again and applies it, all or nothing: keys, lists of networks, limits.
   * Agents whose key is gone are detached; sessions go on. Reads files; on any thread but an event
   * loop.
   */
  public synchronized void reload(Running.ConfigSource<RelayConfig> source) {
    RelayConfig next;
    try {
      next = source.read();
    } catch (StartupException | IllegalArgumentException e) {
      events.configKept(e.getMessage());
      return;
    }
    replaceKeys(next);
    List<String> changed = config.changed(next);
    if (!changed.isEmpty()) {
      listener.reload(next.loadBalancers, next.accessRules());
      dispatchers.reload(next.dispatcherSettings());
      events.configReloaded(changed);
    }
    List<String> needRestart = config.changedForRestart(next);
    if (!needRestart.isEmpty()) {
      events.configNeedsRestart(needRestart);
    }
    config = next;
  }

  private void replaceKeys(RelayConfig next) {
    Set<KeyRing> replaced = new HashSet<>(); // several services may share them
    for (ServiceConfig service : next.services) {
      KeyRing ring = keyRings.get(service.name);
      if (ring != null && service.keys.file() != null && replaced.add(ring)) {
        List<SharedKey> keys = service.keys.keys();
        warnOfShortKeys(keys);
        KeyRing.Change change = ring.replace(keys);
        events.keysReloaded(service.name, change.keys(), change.added(), change.removed());
      }
    }
    registries.values().forEach(AgentRegistry::checkKeys);
  }

  /**
   * Stops accepting connections and starting sessions. Running sessions are aborted after the drain
   * timeout. Call it once, on any thread.
   *
   * @return completes when all connections are closed and the event loops have ended
   */
  public Future<Void> drain() {
    events.relayDraining(config.drain);
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    listener
        .drain()
        .addListener(
            closed -> {
              dispatchers.drain().addListener(sessionsEnded -> endLoops(done));
              // scheduled here: the loops may have ended by the time drain() returns
              loops.schedule(
                  () -> dispatchers.abortAll(ReasonCode.DRAINING),
                  config.drain.toNanos(),
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
