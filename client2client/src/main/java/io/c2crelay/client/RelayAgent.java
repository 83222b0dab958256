package io.c2crelay.client;

import io.c2crelay.client.connect.NameResolver;
import io.c2crelay.client.connect.RelayConnector;
import io.c2crelay.client.control.ControlConnection;
import io.c2crelay.client.data.SessionStarter;
import io.c2crelay.client.data.SessionTracker;
import io.c2crelay.client.data.TargetConnector;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.logging.CountsLog;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.splice.BufferBudget;
import io.c2crelay.common.splice.SpliceSettings;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.EventLoops;
import io.netty.channel.ChannelException;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An agent: puts the parts together, attaches to the relay, and stops. */
public final class RelayAgent {
  private static final Logger log = LoggerFactory.getLogger(RelayAgent.class);

  /**
   * How long a target may take for its last bytes after the relay has gone; all else the relay
   * decides.
   */
  private static final Duration LEFT_ALONE_TIMEOUT = Duration.ofHours(1);

  private final AgentConfig config;
  private final EventLoopGroup loops;
  private final SessionTracker sessions = new SessionTracker();
  private final ControlConnection control;

  private RelayAgent(AgentConfig config) throws StartupException {
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
    SpliceSettings settings =
        SpliceSettings.of(SpliceSettings.Side.AGENT, budget, Duration.ZERO, LEFT_ALONE_TIMEOUT);
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
            NameResolver.create(), // its own: a target's name must not hold up the relay's
            RelayConnector.of(config.transport(), tls),
            new SessionStarter(target::connect, settings, sessions),
            config.key().stretch(),
            new SecureRandom());
    log.info(
        "agent.started target={} relay={}:{} transport={} tls={}",
        config.target(),
        config.relayHost(),
        config.relayPort(),
        config.transport(),
        tls.providerName());
    CountsLog.start(
        log,
        "agent.counts",
        loops.next(),
        () -> "sessions=" + sessions.size() + " buffered=" + budget.usedBytes());
  }

  /**
   * Begins to attach to the relay, and goes on until drained.
   *
   * @throws StartupException with one clear sentence if the machine refuses
   */
  public static RelayAgent start(AgentConfig config) throws StartupException {
    RelayAgent agent = new RelayAgent(config);
    agent.control.start();
    return agent;
  }

  /**
   * Stops: no new sessions; running ones may go on for the drain time.
   *
   * @return completes when all is closed
   */
  public Future<Void> drain() {
    log.info("agent.draining limit={}ms", config.drain().toMillis());
    Promise<Void> done = GlobalEventExecutor.INSTANCE.newPromise();
    loops.schedule(
        () -> sessions.abortAll(ReasonCode.DRAINING),
        config.drain().toNanos(),
        TimeUnit.NANOSECONDS);
    control.drain().addListener(saidSo -> sessions.drain().addListener(noneLeft -> endLoops(done)));
    return done;
  }

  private void endLoops(Promise<Void> done) {
    EventLoops.end(loops)
        .addListener(
            ended -> {
              log.info("agent.stopped");
              done.setSuccess(null);
            });
  }
}
