package io.c2crelay.agent.control;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.data.DataDialer;
import io.c2crelay.agent.data.SessionStarter;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the agent attached to the relay for one service: one attempt at a time, retried without
 * limit. State is confined to one event loop.
 */
public final class ControlConnection
    implements Attachment, ControlAttempt.Listener, ControlHandler.Owner {
  /**
   * How long warm connections stay open after the relay's GOAWAY, since a START may be in flight.
   */
  private static final long GOAWAY_GRACE_SECONDS = 5;

  /** How long the relay may take to close the warm connections of a draining agent. */
  private static final long DRAIN_GRACE_SECONDS = 1;

  private enum State {
    /** A {@link ControlAttempt} is in progress. */
    ATTEMPTING,
    /** Attached. */
    READY,
    /** Waiting for the next attempt. */
    BACKOFF,
    /** The agent is stopping: no more attempts; sessions continue. */
    DRAINING
  }

  private final Route relay;
  private final ServiceName service;
  private final String label;
  private final String target;
  private final EventLoop loop;
  private final EventLoopGroup loops;
  private final RelayConnector connector;
  private final SessionStarter sessions;
  private final CompletableFuture<MutualAuth> mutualAuth;
  private final int maxHandshakes;
  private final SecureRandom random;
  private final InstanceId instance;
  private final RetryPolicy retries;
  private final ServiceEvents events;

  private State state = State.BACKOFF;
  private long epoch;
  private long readySinceNanos;
  private @Nullable ControlAttempt attempt;
  private @Nullable InetSocketAddress lastAttached;
  private @Nullable Channel channel;
  private @Nullable DataDialer dialer;

  /**
   * @param relay the relay, whose name is looked up for every attempt
   * @param service the service that the agent offers
   * @param label the agent's name in the relay's log
   * @param target the target as text; the relay receives a keyed digest of it
   * @param maxHandshakes the maximum number of data connections in handshake at a time
   */
  public ControlConnection(
      Route relay,
      ServiceName service,
      String label,
      String target,
      EventLoopGroup loops,
      RelayConnector connector,
      SessionStarter sessions,
      CompletableFuture<MutualAuth> mutualAuth,
      int maxHandshakes,
      SecureRandom random,
      ServiceEvents events) {
    this.relay = requireNonNull(relay, "relay");
    this.service = requireNonNull(service, "service");
    this.label = requireNonNull(label, "label");
    this.target = requireNonNull(target, "target");
    this.loops = requireNonNull(loops, "loops");
    this.connector = requireNonNull(connector, "connector");
    this.sessions = requireNonNull(sessions, "sessions");
    this.mutualAuth = requireNonNull(mutualAuth, "mutualAuth");
    this.maxHandshakes = maxHandshakes;
    this.random = requireNonNull(random, "random");
    this.events = requireNonNull(events, "events");
    loop = loops.next();
    instance = InstanceId.random(random);
    retries = new RetryPolicy(random::nextDouble);
  }

  @Override
  public void start() {
    loop.execute(this::attempt);
  }

  // --- ATTEMPTING ---

  private void attempt() {
    if (state != State.BACKOFF) {
      return;
    }
    state = State.ATTEMPTING;
    epoch++;
    events.controlConnecting(epoch);
    attempt =
        new ControlAttempt(
            connector,
            loop,
            listener ->
                new ControlHandshake(
                    mutualAuth, random, instance, epoch, service, label, target, listener),
            retries,
            events,
            this);
    attempt.start(relay, lastAttached);
  }

  @Override
  public void attached(
      InetSocketAddress address, ChannelHandlerContext ctx, byte[] channelBinding) {
    state = State.READY;
    attempt = null;
    retries.attached();
    readySinceNanos = now();
    lastAttached = address;
    Channel ready = ctx.channel();
    channel = ready;
    dialer =
        new DataDialer(
            loop,
            loops,
            connector,
            sessions,
            address,
            channelBinding,
            maxHandshakes,
            events,
            (token, reason) -> dialFailed(ready, token, reason));
    ctx.pipeline()
        .addLast(
            "heartbeat", new Heartbeat(() -> lost(ReasonCode.AGENT_LOST), events::controlAnswered))
        .addLast("control", new ControlHandler(this, events));
    events.controlReady(address, epoch);
  }

  /** Logs the retry only if the failure was logged. */
  @Override
  public void failed(RetryPolicy.Failure last, boolean logged) {
    attempt = null;
    retryIn(retries.delayNanos(last, now()), logged);
  }

  // --- READY ---

  @Override
  public void dial(Frame.Dial dial) {
    if (dialer != null) {
      dialer.dial(dial);
    }
  }

  /** Disconnects from a relay that does not read, so that answers do not accumulate in memory. */
  private void dialFailed(Channel control, Token token, ReasonCode reason) {
    if (control.isWritable()) {
      control.writeAndFlush(Frame.DialFailed.of(token, reason));
    } else if (control == channel && control.isActive()) { // a closed channel is not writable
      events.controlStalled();
      lost(ReasonCode.AGENT_LOST);
    }
  }

  @Override
  public void goAway(ReasonCode reason) {
    if (state == State.READY && dialer != null) {
      dialer.drain(GOAWAY_GRACE_SECONDS);
      dialer = null;
      lost(reason);
    }
  }

  @Override
  public void lost(ReasonCode reason) {
    if (state != State.READY) {
      return;
    }
    events.controlLost(reason);
    retries.detached(now() - readySinceNanos);
    detach();
    retryIn(retries.delayNanos(RetryPolicy.Failure.OTHER, now()), true);
  }

  private void detach() {
    if (dialer != null) {
      dialer.close();
      dialer = null;
    }
    if (channel != null) {
      Sockets.reset(channel);
      channel = null;
    }
  }

  // --- BACKOFF ---

  private void retryIn(long nanos, boolean logged) {
    if (logged) {
      events.controlRetry(nanos);
    }
    state = State.BACKOFF;
    loop.schedule(this::attempt, nanos, TimeUnit.NANOSECONDS);
  }

  // --- DRAINING ---

  @Override
  public Future<Void> drain() {
    Promise<Void> drained = loop.newPromise();
    loop.execute(
        () -> {
          if (attempt != null) {
            attempt.cancel();
          }
          if (channel != null) {
            channel.writeAndFlush(Frame.GoAway.of(ReasonCode.DRAINING));
          }
          state = State.DRAINING;
          events.controlEnded();
          if (dialer == null) {
            drained.setSuccess(null);
          } else {
            dialer.drain(DRAIN_GRACE_SECONDS).addListener(done -> drained.setSuccess(null));
          }
        });
    return drained;
  }

  @Override
  public void close() {
    loop.execute(
        () -> {
          if (channel != null) {
            channel.close();
          }
        });
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
