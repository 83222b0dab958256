package io.c2crelay.agent;

import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.control.ControlConnection;
import io.c2crelay.agent.data.SessionStarter;
import io.c2crelay.agent.data.SessionTracker;
import io.c2crelay.agent.data.TargetConnector;
import io.c2crelay.agent.events.AgentEvents;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.FailFastEventLoopGroup;
import io.netty.channel.ChannelException;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** An agent: wires its components, attaches to the relay and drains on shutdown. */
public final class Agent {
  /**
   * How long the target may take to read its last bytes after the relay has closed. The relay
   * enforces all other session timeouts.
   */
  private static final Duration DELIVERY_TIMEOUT = Duration.ofHours(1);

  private final AgentConfig config;
  private final AgentEvents events = new AgentEvents();
  private final FailFastEventLoopGroup loops;
  private final SessionTracker sessions = new SessionTracker();
  private final ControlConnection control;

  private Agent(AgentConfig config) throws StartupException {
    this.config = config;
    RelayTls tls;
    try {
      tls = RelayTls.ofAgent();
      tls.warmUp();
      loops = config.transport().newEventLoops(config.threads());
    } catch (GeneralSecurityException | ChannelException e) {
      throw new StartupException(String.valueOf(e.getMessage()), e);
    }
    BufferBudget budget = BufferBudget.ofBytes(config.sessionMemory());
    BridgeSettings settings =
        BridgeSettings.of(BridgeSettings.Side.AGENT, budget, Duration.ZERO, DELIVERY_TIMEOUT);
    TargetConnector target =
        new TargetConnector(
            config.target(), config.connectTimeout(), config.transport(), NameResolver.create());
    control =
        new ControlConnection(
            config.relayHost(),
            config.relayPort(),
            config.label(),
            config.target().toString(),
            loops,
            NameResolver.create(), // separate: target lookups must not delay relay lookups
            RelayConnector.of(config.transport(), tls),
            new SessionStarter(target::connect, settings, sessions, events),
            config.key().deriveKey(),
            new SecureRandom(),
            events);
    events.agentStarted(
        config.target().toString(),
        config.relayHost(),
        config.relayPort(),
        config.transport(),
        tls.providerName());
    events.agentCounts(
        loops.next(), () -> "sessions=" + sessions.size() + " buffered=" + budget.usedBytes());
  }

  /**
   * Starts an agent that stays attached to the relay until it is drained.
   *
   * @throws StartupException if TLS or the event loops cannot be created
   */
  public static Agent start(AgentConfig config) throws StartupException {
    Agent agent = new Agent(config);
    agent.control.start();
    return agent;
  }

  /**
   * Takes no more sessions, and aborts those that are left after the drain time.
   *
   * @return completes when everything is closed
   */
  public Future<Void> drain() {
    events.agentDraining(config.drain());
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    loops.schedule(
        () -> sessions.abortAll(ReasonCode.DRAINING),
        config.drain().toNanos(),
        TimeUnit.NANOSECONDS);
    control.drain().addListener(idle -> sessions.drain().addListener(drained -> endLoops(done)));
    return done;
  }

  private void endLoops(Promise<Void> done) {
    loops
        .terminate()
        .addListener(
            ended -> {
              events.agentStopped();
              done.setSuccess(null);
            });
  }
}
