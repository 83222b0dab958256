package io.c2crelay.agent;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.control.AddressFollower;
import io.c2crelay.agent.control.Attachment;
import io.c2crelay.agent.control.ControlConnection;
import io.c2crelay.agent.data.Forward;
import io.c2crelay.agent.data.HandshakeLimit;
import io.c2crelay.agent.data.SessionStarter;
import io.c2crelay.agent.data.SessionTracker;
import io.c2crelay.agent.data.TargetConnector;
import io.c2crelay.agent.events.AgentEvents;
import io.c2crelay.agent.events.AgentMetrics;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.agent.events.ServiceMetrics;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.ServiceName;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Keeps the agent attached to each relay for each service. Safe on any thread. */
final class Attachments {
  private static final class Attached {
    final Forward forward;
    final Route relay;
    final Attachment attachment;

    Attached(Forward forward, Route relay, Attachment attachment) {
      this.forward = forward;
      this.relay = relay;
      this.attachment = attachment;
    }

    boolean is(Forward otherForward, Route otherRelay) {
      return forward.equals(otherForward) && relay.equals(otherRelay);
    }
  }

  /** As at the start, for options that need a restart. */
  private final AgentConfig config;

  private final EventLoopGroup loops;
  private final RelayConnector connector;
  private final Dialer targetDialer;
  private final BridgeSettings settings;
  private final SessionTracker sessions;
  private final String tlsName;
  private final AgentEvents events;
  private final @Nullable AgentMetrics metrics;
  private final SecureRandom random = new SecureRandom();
  private final Map<SharedKey, CompletableFuture<MutualAuth>> keys = new HashMap<>();
  private final List<Attached> attached = new ArrayList<>();
  private boolean draining;

  Attachments(
      AgentConfig config,
      EventLoopGroup loops,
      RelayConnector connector,
      Dialer targetDialer,
      BridgeSettings settings,
      SessionTracker sessions,
      String tlsName,
      AgentEvents events,
      @Nullable AgentMetrics metrics) {
    this.config = requireNonNull(config, "config");
    this.loops = requireNonNull(loops, "loops");
    this.connector = requireNonNull(connector, "connector");
    this.targetDialer = requireNonNull(targetDialer, "targetDialer");
    this.settings = requireNonNull(settings, "settings");
    this.sessions = requireNonNull(sessions, "sessions");
    this.tlsName = requireNonNull(tlsName, "tlsName");
    this.events = requireNonNull(events, "events");
    this.metrics = metrics;
  }

  /**
   * Attaches for new services and relays, and detaches for services and relays that are no longer
   * configured. Running sessions continue. A service with a different target, key or PROXY header
   * is a new service.
   */
  synchronized void apply(List<Forward> forwards, List<Route> relays) {
    if (draining) {
      return;
    }
    useKeys(forwards);
    List<Attached> gone =
        attached.stream()
            .filter(one -> !forwards.contains(one.forward) || !relays.contains(one.relay))
            .collect(Collectors.toList());
    attached.removeAll(gone);
    for (Attached one : gone) {
      events.serviceRemoved(
          one.forward.service(), one.forward.target().toString(), one.relay.toString());
      one.attachment.drain().addListener(drained -> one.attachment.close());
    }
    if (metrics != null) {
      metrics.targets(targets(forwards));
    }
    int maxHandshakes = HandshakeLimit.MAX / (forwards.size() * relays.size());
    for (Forward forward : forwards) {
      for (Route relay : relays) {
        if (attached.stream().noneMatch(one -> one.is(forward, relay))) {
          attach(forward, relay, maxHandshakes);
        }
      }
    }
  }

  /** Derives new keys, and erases copies of keys that are already derived. */
  private void useKeys(List<Forward> forwards) {
    List<SharedKey> used = forwards.stream().map(Forward::key).collect(Collectors.toList());
    keys.keySet().retainAll(used);
    Set<SharedKey> known = Collections.newSetFromMap(new IdentityHashMap<>());
    known.addAll(used);
    for (SharedKey key : used) {
      keys.computeIfAbsent(
          key,
          added -> {
            known.remove(added);
            return added.deriveKey();
          });
    }
    known.forEach(SharedKey::erase);
  }

  private static Map<ServiceName, String> targets(List<Forward> forwards) {
    Map<ServiceName, String> targets = new LinkedHashMap<>();
    forwards.forEach(forward -> targets.put(forward.service(), forward.target().toString()));
    return targets;
  }

  private void attach(Forward forward, Route relay, int maxHandshakes) {
    CompletableFuture<MutualAuth> key = requireNonNull(keys.get(forward.key()));
    TargetConnector target =
        new TargetConnector(forward, config.connectTimeout, config.transparent, targetDialer);
    Function<Route, Attachment> attach =
        route -> {
          ServiceEvents serviceEvents = serviceEvents(forward, route);
          return new ControlConnection(
              route,
              forward.service(),
              config.label,
              forward.target().toString(),
              loops,
              connector,
              new SessionStarter(target, settings, sessions, serviceEvents),
              key,
              maxHandshakes,
              random,
              serviceEvents);
        };
    Attachment attachment =
        config.allAddresses
            ? new AddressFollower(relay, connector, loops.next(), attach, events)
            : attach.apply(relay);
    attached.add(new Attached(forward, relay, attachment));
    events.agentStarted(
        forward.service(),
        forward.target().toString(),
        relay.toString(),
        config.proxy == null ? "-" : config.proxy.toString(),
        config.shared().transport(),
        tlsName);
    attachment.start();
  }

  private ServiceEvents serviceEvents(Forward forward, Route relay) {
    String host = requireNonNull(relay.host());
    return metrics == null
        ? new ServiceEvents(forward.service(), host, relay.port())
        : new ServiceMetrics(forward.service(), host, relay.port(), metrics);
  }

  /**
   * Sends GOAWAY and stops attaching.
   *
   * @return completes when no new session can start
   */
  synchronized Future<Void> drain() {
    draining = true;
    List<Attached> last = new ArrayList<>(attached);
    EventLoop loop = loops.next();
    Promise<Void> drained = loop.newPromise();
    loop.execute(
        () -> {
          PromiseCombiner all = new PromiseCombiner(loop);
          last.forEach(one -> all.add(one.attachment.drain()));
          all.finish(drained);
        });
    return drained;
  }
}
