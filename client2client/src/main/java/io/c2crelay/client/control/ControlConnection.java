package io.c2crelay.client.control;

import static java.util.Objects.requireNonNull;

import io.c2crelay.client.connect.MisreadException;
import io.c2crelay.client.connect.NameResolver;
import io.c2crelay.client.connect.RelayConnector;
import io.c2crelay.client.connect.VersionRefusedException;
import io.c2crelay.client.data.DataDialer;
import io.c2crelay.client.data.SessionStarter;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the agent attached to the relay: one attempt at a time, for ever, whatever the network
 * does. Its state lives on one event loop.
 */
public final class ControlConnection implements ControlHandshake.Outcome, ControlHandler.Owner {
  private static final Logger log = LoggerFactory.getLogger(ControlConnection.class);

  private static final long MISREAD_RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /** A relay that never reads the preamble right is no relay: from then on, attempts back off. */
  private static final int MAX_MISREADS = 5;

  private static final long VERSION_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);
  private static final long SAY_AGAIN_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final int SUSPECTED_REFUSALS = 3;
  private static final int MANY_REFUSALS = 10;
  private static final long REFUSED_RETRY_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long REFUSED_OFTEN_RETRY_NANOS = TimeUnit.MINUTES.toNanos(5);

  /**
   * How long warm connections outlive a control connection that the relay drains: a START may be
   * under way.
   */
  private static final long GOAWAY_GRACE_SECONDS = 5;

  /** How long the relay may take to close the warm connections of an agent that drains. */
  private static final long DRAIN_GRACE_SECONDS = 1;

  private enum State {
    /** Looking the name up, or dialling its addresses. */
    CONNECTING,
    /** TCP is connected: TLS, then the handshake. */
    AUTHENTICATING,
    /** Attached. */
    READY,
    /** Waiting for the next attempt. */
    BACKOFF,
    /** The agent is stopping: sessions go on, nothing new comes. */
    DRAINING
  }

  private final String relayHost;
  private final int relayPort;
  private final String label;
  private final String target;
  private final EventLoop loop;
  private final EventLoopGroup loops;
  private final NameResolver resolver;
  private final RelayConnector connector;
  private final SessionStarter sessions;
  private final CompletableFuture<MutualAuth> mutualAuth;
  private final SecureRandom random;
  private final InstanceId instance;
  private final Backoff backoff;

  private State state = State.BACKOFF;
  private long epoch;
  private int refusals;
  private int misreads;
  private final Set<String> said = new HashSet<>();
  private long saidNanos;
  private long readySinceNanos;
  private Iterator<InetAddress> addresses = Collections.emptyIterator();
  private @Nullable InetSocketAddress address;
  private @Nullable InetSocketAddress lastAttached;
  private @Nullable Channel channel;
  private @Nullable DataDialer dialer;

  /**
   * @param relayHost name or address, looked up anew for every attempt
   * @param label what the relay's log calls this agent
   * @param target the target's text, of which the relay learns a digest
   */
  public ControlConnection(
      String relayHost,
      int relayPort,
      String label,
      String target,
      EventLoopGroup loops,
      NameResolver resolver,
      RelayConnector connector,
      SessionStarter sessions,
      CompletableFuture<MutualAuth> mutualAuth,
      SecureRandom random) {
    this.relayHost = requireNonNull(relayHost, "relayHost");
    this.relayPort = relayPort;
    this.label = requireNonNull(label, "label");
    this.target = requireNonNull(target, "target");
    this.loops = requireNonNull(loops, "loops");
    this.resolver = requireNonNull(resolver, "resolver");
    this.connector = requireNonNull(connector, "connector");
    this.sessions = requireNonNull(sessions, "sessions");
    this.mutualAuth = requireNonNull(mutualAuth, "mutualAuth");
    this.random = requireNonNull(random, "random");
    loop = loops.next();
    instance = InstanceId.random(random);
    backoff = new Backoff(random::nextDouble);
  }

  /** Begins to attach. On any thread. */
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
    log.debug("control.connecting relay={}:{} epoch={}", relayHost, relayPort, epoch);
    resolver
        .resolve(relayHost, loop)
        .addListener(
            (Future<List<InetAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                addresses = lastAttachedFirst(resolved.getNow()).iterator();
                connectNext();
              } else {
                addresses = Collections.emptyIterator();
                address = null;
                failedAttempt("control.unreachable", resolved.cause());
              }
            });
  }

  private List<InetAddress> lastAttachedFirst(List<InetAddress> resolved) {
    List<InetAddress> ordered = new ArrayList<>(resolved);
    if (lastAttached != null && ordered.remove(lastAttached.getAddress())) {
      ordered.add(0, lastAttached.getAddress());
    }
    return ordered;
  }

  private void connectNext() {
    if (state != State.CONNECTING) {
      return;
    }
    ControlHandshake handshake =
        new ControlHandshake(mutualAuth, random, instance, epoch, label, target, this);
    InetSocketAddress relay = new InetSocketAddress(addresses.next(), relayPort);
    address = relay;
    connector
        .connect(relay, Preamble.Kind.CONTROL, loop, handshake)
        .addListener(
            (Future<Channel> connected) -> {
              if (connected.isSuccess()) {
                connected(connected.getNow());
              } else {
                failedAttempt("control.unreachable", connected.cause());
              }
            });
  }

  private void connected(Channel connected) {
    if (state == State.CONNECTING) {
      state = State.AUTHENTICATING;
      channel = connected;
    } else {
      connected.close();
    }
  }

  // --- AUTHENTICATING ---

  @Override
  public void authenticated(ChannelHandlerContext ctx, byte[] binding) {
    if (state != State.AUTHENTICATING) {
      ctx.close();
      return;
    }
    state = State.READY;
    refusals = 0;
    misreads = 0;
    said.clear();
    readySinceNanos = now();
    Channel ready = ctx.channel();
    InetSocketAddress relay = (InetSocketAddress) ready.remoteAddress();
    lastAttached = relay;
    dialer =
        new DataDialer(
            loop,
            loops,
            connector,
            sessions,
            relay,
            binding,
            (token, reason) -> dialFailed(ready, token, reason));
    ctx.pipeline()
        .addLast("heartbeat", new Heartbeat(() -> lost(ReasonCode.AGENT_LOST)))
        .addLast("control", new ControlHandler(this));
    log.info("control.ready relay={} epoch={}", Sockets.text(relay), epoch);
  }

  @Override
  public void impostor() {
    log.error(
        "control.impostor relay={} note=\"the peer there does not have the key\"", relayText());
    nextAttempt(() -> backoff.nextNanos(now()));
  }

  @Override
  public void refused() {
    refusals++;
    log.error(
        "control.refused relay={} times={} note=\"the relay refused the key (or is slowing down guesses)\"",
        relayText(),
        refusals);
    nextAttempt(this::refusedRetryNanos);
  }

  private long refusedRetryNanos() {
    if (refusals < SUSPECTED_REFUSALS) {
      return backoff.nextNanos(now());
    }
    return refusals <= MANY_REFUSALS ? REFUSED_RETRY_NANOS : REFUSED_OFTEN_RETRY_NANOS;
  }

  @Override
  public void failed(@Nullable Throwable cause) {
    if (cause instanceof VersionRefusedException) {
      log.error(
          "control.version relay={} {} note=\"update the older one\"",
          relayText(),
          cause.getMessage());
      nextAttempt(() -> VERSION_RETRY_NANOS);
    } else if (MisreadException.isCauseOf(cause) && ++misreads <= MAX_MISREADS) {
      log.debug("control.misread relay={}", relayText());
      nextAttempt(() -> MISREAD_RETRY_NANOS);
    } else {
      failedAttempt("control.failed", cause);
    }
  }

  /** It may fail for days: the same words once in 30 s are enough. */
  private void failedAttempt(String event, @Nullable Throwable cause) {
    if (!attempting()) {
      return;
    }
    if (now() - saidNanos >= SAY_AGAIN_NANOS) {
      said.clear();
      saidNanos = now();
    }
    String text = Sockets.describe(cause);
    boolean news = said.add(event + ' ' + relayText() + ' ' + text);
    if (news) {
      log.warn("{} relay={} cause={}", event, relayText(), text);
    }
    nextAttempt(() -> backoff.nextNanos(now()), news ? this::retryIn : this::retryQuietlyIn);
  }

  private void nextAttempt(LongSupplier retryNanos) {
    nextAttempt(retryNanos, this::retryIn);
  }

  /** The next address of the name at once; if there is none, all of them again later. */
  private void nextAttempt(LongSupplier retryNanos, LongConsumer retryIn) {
    if (!attempting()) {
      return;
    }
    if (addresses.hasNext()) {
      state = State.CONNECTING;
      channel = null;
      connectNext();
    } else {
      retryIn.accept(retryNanos.getAsLong());
    }
  }

  /** As it is configured, and which of its addresses is being tried. */
  private String relayText() {
    String relay = relayHost + ':' + relayPort;
    if (address == null || NetUtil.toAddressString(address.getAddress()).equals(relayHost)) {
      return relay;
    }
    return relay + " address=" + NetUtil.toAddressString(address.getAddress());
  }

  private boolean attempting() {
    return state == State.CONNECTING || state == State.AUTHENTICATING;
  }

  // --- READY ---

  @Override
  public void dial(Frame.Dial dial) {
    if (dialer != null) {
      dialer.dial(dial);
    }
  }

  /** A relay that dials without end and does not read the answers must not fill the memory. */
  private void dialFailed(Channel control, Token token, ReasonCode reason) {
    if (control.isWritable()) {
      control.writeAndFlush(Frame.DialFailed.of(token, reason));
    } else if (control == channel && control.isActive()) { // what is closed is not writable either
      log.warn(
          "control.stalled relay={}:{} note=\"it does not read its control connection\"",
          relayHost,
          relayPort);
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
    log.warn("control.lost relay={}:{} reason={}", relayHost, relayPort, reason);
    backoff.attachedFor(now() - readySinceNanos);
    detach();
    retryIn(backoff.nextNanos(now()));
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
    log.info("control.retry in={}ms", TimeUnit.NANOSECONDS.toMillis(nanos));
    retryQuietlyIn(nanos);
  }

  private void retryQuietlyIn(long nanos) {
    state = State.BACKOFF;
    loop.schedule(this::attempt, nanos, TimeUnit.NANOSECONDS);
  }

  // --- DRAINING ---

  /**
   * Tells the relay that no more sessions are taken, and attaches no more. On any thread.
   *
   * @return completes when no START can be under way any more
   */
  public Future<Void> drain() {
    Promise<Void> noneUnderWay = loop.newPromise();
    loop.execute(
        () -> {
          if (state == State.READY && channel != null) {
            channel.writeAndFlush(Frame.GoAway.of(ReasonCode.DRAINING));
          } else if (channel != null) {
            Sockets.reset(channel);
          }
          state = State.DRAINING;
          if (dialer == null) {
            noneUnderWay.setSuccess(null);
          } else {
            dialer.drain(DRAIN_GRACE_SECONDS).addListener(done -> noneUnderWay.setSuccess(null));
          }
        });
    return noneUnderWay;
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
