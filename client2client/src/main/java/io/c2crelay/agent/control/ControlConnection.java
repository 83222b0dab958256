package io.c2crelay.agent.control;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.ConnectRace;
import io.c2crelay.agent.connect.MisclassifiedException;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.connect.VersionRefusedException;
import io.c2crelay.agent.data.DataDialer;
import io.c2crelay.agent.data.SessionStarter;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the agent attached to the relay: one attempt at a time, retried without limit. State is
 * confined to one event loop.
 */
public final class ControlConnection implements Attachment, ControlHandler.Owner {
  private static final long MISCLASSIFIED_RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /** After more of them in a row the peer is probably not a relay, and attempts back off. */
  private static final int MAX_MISCLASSIFICATIONS = 5;

  private static final long VERSION_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);
  private static final int SLOW_RETRY_MIN_REFUSALS = 3;
  private static final int SLOW_RETRY_MAX_REFUSALS = 10;
  private static final long SLOW_RETRY_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long SLOWEST_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);

  /**
   * How long warm connections outlive a control connection that the relay drains, since a START may
   * be in flight.
   */
  private static final long GOAWAY_GRACE_SECONDS = 5;

  /** How long the relay may take to close the warm connections of an agent that drains. */
  private static final long DRAIN_GRACE_SECONDS = 1;

  private enum State {
    /** Resolving the name, or connecting to its addresses. */
    CONNECTING,
    /** TCP is connected; TLS or the handshake is in progress. */
    AUTHENTICATING,
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
  private final Backoff backoff;
  private final ServiceEvents events;

  private State state = State.BACKOFF;
  private long epoch;
  private int refusals;
  private int misclassifications;
  private long readySinceNanos;

  /** The addresses that this attempt has not tried to the end. */
  private final Deque<InetSocketAddress> addresses = new ArrayDeque<>();

  /** Those that are being dialled. */
  private final List<Dial> dialling = new ArrayList<>();

  /** The one that is used, once TCP is connected. */
  private @Nullable Dial used;

  private boolean unreachableLogged;
  private @Nullable InetSocketAddress lastAttached;
  private @Nullable Channel channel;
  private @Nullable DataDialer dialer;

  /**
   * @param relay its name is looked up for every attempt
   * @param service the service that the agent offers
   * @param label the agent's name in the relay's log
   * @param target the target as text; the relay receives a keyed digest of it
   * @param maxHandshakes how many data connections may be in handshake at a time
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
    backoff = new Backoff(random::nextDouble);
  }

  @Override
  public void start() {
    loop.execute(this::attempt);
  }

  // --- CONNECTING ---

  private void attempt() {
    if (state != State.BACKOFF) {
      return;
    }
    state = State.CONNECTING;
    epoch++;
    addresses.clear();
    events.controlConnecting(epoch);
    connector
        .resolve(relay, loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                addresses.addAll(lastAttachedFirst(resolved.getNow()));
                connectNext();
              } else {
                unreachableLogged = false;
                unreachable(null, resolved.cause());
                retryLater(unreachableLogged);
              }
            });
  }

  private List<InetSocketAddress> lastAttachedFirst(List<InetSocketAddress> resolved) {
    List<InetSocketAddress> ordered = new ArrayList<>(resolved);
    if (lastAttached != null && ordered.remove(lastAttached)) {
      ordered.add(0, lastAttached);
    }
    return ordered;
  }

  private void connectNext() {
    if (state != State.CONNECTING) {
      return;
    }
    unreachableLogged = false;
    dialling.clear();
    used = null;
    ConnectRace.start(addresses, this::dial, loop)
        .addListener(
            (Future<Channel> connected) -> {
              if (connected.isSuccess()) {
                connected(connected.getNow());
              } else if (isAttempting()) {
                retryLater(unreachableLogged);
              }
            });
  }

  private Future<Channel> dial(InetSocketAddress next) {
    Dial dial = new Dial(next);
    dialling.add(dial);
    ControlHandshake handshake =
        new ControlHandshake(mutualAuth, random, instance, epoch, service, label, target, dial);
    return connector
        .connect(next, Preamble.Kind.CONTROL, loop, handshake)
        .addListener(
            (Future<Channel> connected) -> {
              if (connected.isSuccess()) {
                dial.channel = connected.getNow();
              } else {
                dialling.remove(dial);
                unreachable(next, connected.cause());
              }
            });
  }

  /** One of the connections of an attempt: passes on what happens to the one that is used. */
  private final class Dial implements ControlHandshake.Listener {
    final InetSocketAddress to;
    @Nullable Channel channel;

    Dial(InetSocketAddress to) {
      this.to = to;
    }

    private boolean isUsed() {
      return used == this;
    }

    @Override
    public void authenticated(ChannelHandlerContext ctx, byte[] channelBinding) {
      if (isUsed()) {
        ControlConnection.this.authenticated(to, ctx, channelBinding);
      } else {
        ctx.close();
      }
    }

    @Override
    public void impostor() {
      if (isUsed()) {
        ControlConnection.this.impostor(to);
      }
    }

    @Override
    public void refused() {
      if (isUsed()) {
        ControlConnection.this.refused(to);
      }
    }

    @Override
    public void failed(@Nullable Throwable cause) {
      if (isUsed()) {
        ControlConnection.this.failed(to, cause);
      }
    }
  }

  private void unreachable(@Nullable InetSocketAddress which, Throwable cause) {
    if (isAttempting()) {
      unreachableLogged |= events.controlUnreachable(which, cause, now());
    }
  }

  private void connected(Channel connected) {
    if (state != State.CONNECTING) {
      connected.close();
      return;
    }
    state = State.AUTHENTICATING;
    channel = connected;
    for (Dial dial : dialling) {
      if (dial.channel == connected) {
        used = dial;
      } else {
        addresses.addFirst(dial.to); // it has lost only if this one leads to a relay
      }
    }
  }

  // --- AUTHENTICATING ---

  private void authenticated(
      InetSocketAddress reached, ChannelHandlerContext ctx, byte[] channelBinding) {
    if (state != State.AUTHENTICATING) {
      ctx.close();
      return;
    }
    state = State.READY;
    refusals = 0;
    misclassifications = 0;
    readySinceNanos = now();
    Channel ready = ctx.channel();
    lastAttached = reached;
    dialer =
        new DataDialer(
            loop,
            loops,
            connector,
            sessions,
            reached,
            channelBinding,
            maxHandshakes,
            events,
            (token, reason) -> dialFailed(ready, token, reason));
    ctx.pipeline()
        .addLast(
            "heartbeat", new Heartbeat(() -> lost(ReasonCode.AGENT_LOST), events::controlAnswered))
        .addLast("control", new ControlHandler(this, events));
    events.controlReady(reached, epoch);
  }

  private void impostor(InetSocketAddress address) {
    events.controlImpostor(address);
    nextAttempt(() -> backoff.nextDelayNanos(now()));
  }

  private void refused(InetSocketAddress address) {
    refusals++;
    events.controlRefused(address, refusals);
    nextAttempt(this::refusedRetryNanos);
  }

  private long refusedRetryNanos() {
    if (refusals < SLOW_RETRY_MIN_REFUSALS) {
      return backoff.nextDelayNanos(now());
    }
    return refusals <= SLOW_RETRY_MAX_REFUSALS ? SLOW_RETRY_NANOS : SLOWEST_RETRY_NANOS;
  }

  private void failed(InetSocketAddress address, @Nullable Throwable cause) {
    if (cause instanceof VersionRefusedException) {
      events.controlVersion(address, cause);
      nextAttempt(() -> VERSION_RETRY_NANOS);
    } else if (MisclassifiedException.isCauseOf(cause)
        && ++misclassifications <= MAX_MISCLASSIFICATIONS) {
      events.controlMisclassified(address);
      nextAttempt(() -> MISCLASSIFIED_RETRY_NANOS);
    } else if (isAttempting()) {
      retryLater(events.controlFailed(address, cause, now()));
    }
  }

  /** Logs the retry only if the failure was logged. */
  private void retryLater(boolean logged) {
    nextAttempt(() -> backoff.nextDelayNanos(now()), logged ? this::retryIn : this::retryQuietlyIn);
  }

  private void nextAttempt(LongSupplier retryNanos) {
    nextAttempt(retryNanos, this::retryIn);
  }

  /** Tries the next address at once, or all addresses later if none is left. */
  private void nextAttempt(LongSupplier retryNanos, LongConsumer retryIn) {
    if (!isAttempting()) {
      return;
    }
    if (!addresses.isEmpty()) {
      state = State.CONNECTING;
      channel = null;
      connectNext();
    } else {
      retryIn.accept(retryNanos.getAsLong());
    }
  }

  private boolean isAttempting() {
    return state == State.CONNECTING || state == State.AUTHENTICATING;
  }

  // --- READY ---

  @Override
  public void dial(Frame.Dial dial) {
    if (dialer != null) {
      dialer.dial(dial);
    }
  }

  /** Disconnects from a relay that does not read answers, so that they do not fill memory. */
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
    backoff.attachedFor(now() - readySinceNanos);
    detach();
    retryIn(backoff.nextDelayNanos(now()));
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

  private void retryIn(long nanos) {
    events.controlRetry(nanos);
    retryQuietlyIn(nanos);
  }

  private void retryQuietlyIn(long nanos) {
    state = State.BACKOFF;
    loop.schedule(this::attempt, nanos, TimeUnit.NANOSECONDS);
  }

  // --- DRAINING ---

  @Override
  public Future<Void> drain() {
    Promise<Void> drained = loop.newPromise();
    loop.execute(
        () -> {
          if (state == State.READY && channel != null) {
            channel.writeAndFlush(Frame.GoAway.of(ReasonCode.DRAINING));
          } else if (channel != null) {
            Sockets.reset(channel);
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
