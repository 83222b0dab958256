package io.c2crelay.agent;

import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.data.SessionTracker;
import io.c2crelay.agent.events.AgentEvents;
import io.c2crelay.agent.events.AgentMetrics;
import io.c2crelay.common.admin.AdminServer;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.TlsFirst;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.FailFastEventLoopGroup;
import io.netty.channel.ChannelException;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Creates the agent's components, attaches to the relays and drains on shutdown. */
final class Agent {
  /**
   * How long the target may take to read its last bytes after the relay has closed. The relay
   * enforces all other session timeouts.
   */
  private static final Duration DELIVERY_TIMEOUT = Duration.ofHours(1);

  private final AgentConfig config;
  private final AgentEvents events = new AgentEvents();
  private final FailFastEventLoopGroup loops;
  private final SessionTracker sessions = new SessionTracker();
  private final Attachments attachments;
  private final @Nullable AgentMonitor monitor;
  private @Nullable AdminServer admin;

  private Agent(AgentConfig config) throws StartupException {
    this.config = config;
    RelayTls tls;
    RelayTls tlsFirst;
    try {
      tls = RelayTls.ofAgent();
      tlsFirst = config.tlsFirst ? RelayTls.ofAgentTlsFirst(TlsFirst.PROTOCOL) : null;
      tls.warmUp();
      if (tlsFirst != null) {
        tlsFirst.warmUp();
      }
      loops = config.shared().transport().newEventLoops(config.shared().threads());
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    BufferBudget budget = BufferBudget.ofBytes(config.shared().sessionMemory());
    BridgeSettings settings =
        BridgeSettings.of(BridgeSettings.Side.AGENT, budget, Duration.ZERO, DELIVERY_TIMEOUT);
    RelayConnector connector =
        new RelayConnector(relayDialer(config), config.relayTimeout, tls, tlsFirst);
    // a separate resolver: lookups of targets must not delay lookups of the relay
    Dialer targetDialer = Dialer.direct(config.shared().transport(), NameResolver.create());
    PrometheusRegistry registry = config.admin == null ? null : new PrometheusRegistry();
    AgentMetrics metrics = registry == null ? null : new AgentMetrics(registry);
    monitor =
        registry == null || metrics == null ? null : new AgentMonitor(registry, metrics, loops);
    attachments =
        new Attachments(
            config,
            loops,
            connector,
            targetDialer,
            settings,
            sessions,
            tls.providerName(),
            events,
            metrics);
    events.agentStats(
        loops.next(), () -> "sessions=" + sessions.size() + " buffered=" + budget.usedBytes());
  }

  private void startAdmin() throws StartupException {
    if (config.admin != null && monitor != null) {
      admin = AdminServer.start(config.admin, monitor, monitor::sample);
      events.adminListening(admin.address());
    }
  }

  /** Writes the status to the log; does nothing without the admin endpoint. */
  public void logStatus() {
    if (monitor != null) {
      AdminServer.log(monitor);
    }
  }

  private static Dialer relayDialer(AgentConfig config) {
    NameResolver resolver = NameResolver.create();
    return config.proxy == null
        ? Dialer.direct(config.shared().transport(), resolver)
        : Dialer.through(config.proxy, config.shared().transport(), resolver);
  }

  /**
   * Starts an agent that stays attached to the relay until it is drained.
   *
   * @throws StartupException if TLS, the event loops or the admin endpoint cannot be created
   */
  public static Agent start(AgentConfig config) throws StartupException {
    Agent agent = new Agent(config);
    agent.startAdmin();
    agent.apply(config);
    return agent;
  }

  /** Applies the services and relays of a new configuration. Running sessions continue. */
  public void apply(AgentConfig next) {
    attachments.apply(next.forwards, next.relays);
  }

  /**
   * Accepts no new sessions, and aborts the sessions that are left after the drain time.
   *
   * @return completes when everything is closed
   */
  public Future<Void> drain() {
    events.agentDraining(config.shared().drain());
    if (monitor != null) {
      monitor.draining();
    }
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    loops.schedule(
        () -> sessions.abortAll(ReasonCode.DRAINING),
        config.shared().drain().toNanos(),
        TimeUnit.NANOSECONDS);
    attachments
        .drain()
        .addListener(idle -> sessions.drain().addListener(drained -> endLoops(done)));
    return done;
  }

  private void endLoops(Promise<Void> done) {
    loops
        .terminate()
        .addListener(
            ended -> {
              if (admin != null) {
                admin.stop();
              }
              events.agentStopped();
              done.setSuccess(null);
            });
  }
}
