package io.c2crelay.relay;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.agents.AgentRegistry;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.listen.Listener;
import io.c2crelay.relay.listen.ServicePort;
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The services of a relay: the keys, dispatcher, agents and port of each. A new configuration adds,
 * moves and removes services. Call it on one thread at a time, not an event loop. The maps may be
 * read on any thread.
 */
final class Services {
  private static final class Service {
    private final Dispatcher dispatcher;
    private final AgentRegistry registry;
    private ServicePort port;

    Service(Dispatcher dispatcher, AgentRegistry registry, ServicePort port) {
      this.dispatcher = dispatcher;
      this.registry = registry;
      this.port = port;
    }
  }

  /** Longer than a bind takes, which does not wait for anything. */
  private static final long OPEN_SECONDS = 10;

  private final Dispatchers dispatchers;
  private final EventLoop dispatcherLoop;
  private final AgentAddresses addresses;
  private final RelayEvents events;
  private final Map<ServiceName, KeyRing> keyRings = new ConcurrentHashMap<>();
  private final Map<ServiceName, AgentRegistry> registries = new ConcurrentHashMap<>();
  private final Map<ServiceName, Service> services = new LinkedHashMap<>();

  /**
   * Creates an instance without services.
   *
   * @param dispatcherLoop the event loop of {@code dispatchers}
   */
  Services(
      Dispatchers dispatchers,
      EventLoop dispatcherLoop,
      AgentAddresses addresses,
      RelayEvents events) {
    this.dispatchers = requireNonNull(dispatchers, "dispatchers");
    this.dispatcherLoop = requireNonNull(dispatcherLoop, "dispatcherLoop");
    this.addresses = requireNonNull(addresses, "addresses");
    this.events = requireNonNull(events, "events");
  }

  /** The keys of each service. */
  Map<ServiceName, KeyRing> keyRings() {
    return keyRings;
  }

  /** The agent registry of each service. */
  Map<ServiceName, AgentRegistry> registries() {
    return registries;
  }

  /** The port of each service. */
  Map<ServiceName, ServicePort> ports() {
    Map<ServiceName, ServicePort> result = new LinkedHashMap<>();
    services.forEach((name, service) -> result.put(name, service.port));
    return result;
  }

  /**
   * Replaces the services, all or nothing. Blocks until their ports are bound. Detaches the agents
   * whose service or key was removed. Resets the waiting users of removed services. Sessions
   * continue.
   *
   * @param next the default service first
   * @param bind the address to listen on; null for all
   * @throws StartupException if a port cannot be bound; nothing has changed then
   */
  void apply(List<ServiceConfig> next, Listener listener, @Nullable InetAddress bind)
      throws StartupException {
    Map<ServiceName, ServicePort> ports = ports(next, listener, bind);
    Collection<ServicePort> before =
        services.values().stream().map(service -> service.port).collect(Collectors.toList());
    remove(ports.keySet());
    Map<KeySource, KeyRing> rings = new HashMap<>(); // services with the same source share one
    for (ServiceConfig config : next) {
      KeyRing ring = rings.get(config.keys);
      if (ring == null) {
        ring = ring(config, rings.values());
        rings.put(config.keys, ring);
      }
      keyRings.put(config.name, ring);
      ServicePort port = requireNonNull(ports.get(config.name));
      Service service = services.get(config.name);
      if (service == null) {
        service = create(config.name, ring, port);
      } else {
        service.registry.useKeys(ring);
        service.port = port;
      }
      port.serve(service.dispatcher, config.closeWithoutAgent);
    }
    before.removeAll(ports.values());
    before.forEach(ServicePort::close);
  }

  /** Returns the port of each service: an existing one, or a new one. */
  private Map<ServiceName, ServicePort> ports(
      List<ServiceConfig> next, Listener listener, @Nullable InetAddress address)
      throws StartupException {
    Map<ServiceName, ServicePort> ports = new LinkedHashMap<>();
    List<ServicePort> opened = new ArrayList<>();
    try {
      for (ServiceConfig config : next) {
        ServicePort port = find(config);
        if (port == null || ports.containsValue(port)) {
          InetSocketAddress at = new InetSocketAddress(address, config.port);
          port = new ServicePort(listener, dispatcherLoop, at);
          opened.add(port);
        }
        ports.put(config.name, port);
        if (!followsAgents(config, port)) {
          open(port);
        }
      }
      return ports;
    } catch (StartupException e) {
      opened.forEach(ServicePort::close);
      throw e;
    }
  }

  /** Whether the port opens and closes by itself, as its service has and loses agents. */
  private boolean followsAgents(ServiceConfig config, ServicePort port) {
    Service service = services.get(config.name);
    return config.closeWithoutAgent && service != null && service.port == port;
  }

  private static void open(ServicePort port) throws StartupException {
    Future<Void> opened = port.open();
    boolean settled = opened.awaitUninterruptibly(OPEN_SECONDS, TimeUnit.SECONDS);
    if (!settled || !opened.isSuccess()) {
      Throwable cause = settled ? opened.cause() : new TimeoutException();
      throw new StartupException(
          "cannot listen on " + Sockets.text(port.address()) + ": " + Sockets.messageOf(cause),
          cause);
    }
  }

  private @Nullable ServicePort find(ServiceConfig config) {
    Service service = services.get(config.name);
    if (service != null && service.port.configuredPort() == config.port) {
      return service.port;
    }
    return services.values().stream()
        .map(other -> other.port)
        .filter(port -> config.port != 0 && port.configuredPort() == config.port)
        .findAny()
        .orElse(null);
  }

  private void remove(Set<ServiceName> kept) {
    for (ServiceName name : new ArrayList<>(services.keySet())) {
      if (!kept.contains(name)) {
        registries.remove(name);
        keyRings.remove(name);
        Service removed = requireNonNull(services.remove(name));
        dispatchers.remove(removed.dispatcher);
        removed.registry.removed();
      }
    }
  }

  private Service create(ServiceName name, KeyRing ring, ServicePort port) {
    Dispatcher dispatcher = dispatchers.create(name);
    AgentRegistry registry = new AgentRegistry(dispatcherLoop, ring, dispatcher, addresses, events);
    Service service = new Service(dispatcher, registry, port);
    registries.put(name, registry);
    services.put(name, service);
    return service;
  }

  /**
   * Returns the key ring of a service: its existing ring with the new keys, or a new ring if the
   * existing one now has the keys of another source. A key that is not from a file stays.
   */
  private KeyRing ring(ServiceConfig config, Collection<KeyRing> taken) {
    KeyRing ring = keyRings.get(config.name);
    if (ring != null && config.keys.file() == null) {
      return ring;
    }
    List<SharedKey> keys = config.keys.keys();
    keys.stream().filter(key -> !key.isStrong()).forEach(key -> events.keyShort(key.name()));
    if (ring == null || taken.contains(ring)) {
      return KeyRing.of(keys);
    }
    KeyRing.Change change = ring.replace(keys);
    events.keysReloaded(config.name, change.keys(), change.added(), change.removed());
    return ring;
  }
}
