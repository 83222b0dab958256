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
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.EventLoop;
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
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The services of a relay: the keys, dispatcher, agents and listening socket of each. A new
 * configuration adds, moves and removes services. Call it on one thread at a time, not an event
 * loop. The maps may be read on any thread.
 */
final class Services {
  /** A listening socket; the service whose users it accepts may change. */
  private static final class Socket {
    private final int configuredPort;
    private @Nullable Channel channel;
    private volatile @Nullable Dispatcher users;

    Socket(int configuredPort) {
      this.configuredPort = configuredPort;
    }

    Channel channel() {
      return requireNonNull(channel);
    }
  }

  private static final class Service {
    private final Dispatcher dispatcher;
    private final AgentRegistry registry;
    private Socket socket;

    Service(Dispatcher dispatcher, AgentRegistry registry, Socket socket) {
      this.dispatcher = dispatcher;
      this.registry = registry;
      this.socket = socket;
    }

    void listenAt(Socket next) {
      socket = next;
      next.users = dispatcher;
    }
  }

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

  /** The addresses on which the services listen. */
  Map<ServiceName, InetSocketAddress> listening() {
    Map<ServiceName, InetSocketAddress> result = new LinkedHashMap<>();
    services.forEach(
        (name, service) ->
            result.put(name, (InetSocketAddress) service.socket.channel().localAddress()));
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
    Map<ServiceName, Socket> sockets = bind(next, listener, bind);
    Collection<Socket> before =
        services.values().stream().map(service -> service.socket).collect(Collectors.toList());
    remove(sockets.keySet());
    Map<KeySource, KeyRing> rings = new HashMap<>(); // services with the same source share one
    for (ServiceConfig config : next) {
      KeyRing ring = rings.get(config.keys);
      if (ring == null) {
        ring = ring(config, rings.values());
        rings.put(config.keys, ring);
      }
      keyRings.put(config.name, ring);
      Socket socket = requireNonNull(sockets.get(config.name));
      Service service = services.get(config.name);
      if (service == null) {
        service = create(config.name, ring, socket);
      } else {
        service.registry.useKeys(ring);
      }
      service.listenAt(socket);
    }
    before.removeAll(sockets.values());
    before.forEach(Services::close);
  }

  /** Returns the socket of each service: the existing one for its port, or a new one. */
  private Map<ServiceName, Socket> bind(
      List<ServiceConfig> next, Listener listener, @Nullable InetAddress address)
      throws StartupException {
    Map<ServiceName, Socket> sockets = new LinkedHashMap<>();
    List<Socket> bound = new ArrayList<>();
    try {
      for (ServiceConfig config : next) {
        Socket socket = find(config);
        if (socket == null || sockets.containsValue(socket)) {
          socket = listen(new InetSocketAddress(address, config.port), listener);
          bound.add(socket);
        }
        sockets.put(config.name, socket);
      }
      return sockets;
    } catch (StartupException e) {
      bound.forEach(Services::close);
      throw e;
    }
  }

  private @Nullable Socket find(ServiceConfig config) {
    Service service = services.get(config.name);
    if (service != null && service.socket.configuredPort == config.port) {
      return service.socket;
    }
    return services.values().stream()
        .map(other -> other.socket)
        .filter(socket -> config.port != 0 && socket.configuredPort == config.port)
        .findAny()
        .orElse(null);
  }

  private static Socket listen(InetSocketAddress address, Listener listener)
      throws StartupException {
    Socket socket = new Socket(address.getPort());
    ChannelFuture bound = listener.bind(address, () -> socket.users).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      throw new StartupException(
          "cannot listen on " + Sockets.text(address) + ": " + Sockets.messageOf(bound.cause()),
          bound.cause());
    }
    socket.channel = bound.channel();
    return socket;
  }

  private static void close(Socket socket) {
    socket.channel().close();
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

  private Service create(ServiceName name, KeyRing ring, Socket socket) {
    Dispatcher dispatcher = dispatchers.create(name);
    AgentRegistry registry = new AgentRegistry(dispatcherLoop, ring, dispatcher, addresses, events);
    Service service = new Service(dispatcher, registry, socket);
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
