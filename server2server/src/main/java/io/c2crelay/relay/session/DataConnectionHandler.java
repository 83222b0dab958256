package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.Assignment.Outcome;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A data connection on the relay from its TLS handshake, or the end of a session, until it is
 * assigned to a user and a {@link Session} takes over. While it is warm, sends a PING every 15 s.
 */
public final class DataConnectionHandler extends ChannelInboundHandlerAdapter
    implements DataConnection {
  private static final long PING_EVERY_SECONDS = 15;
  private static final long PONG_WITHIN_SECONDS = 5;
  private static final long PING_OVERDUE_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long NO_PING = Long.MIN_VALUE;

  /** Bounds of a connection's reuse, so that neither its keys nor an imbalance lives for long. */
  private static final int MAX_SESSIONS = 10_000;

  private static final long MAX_AGE_NANOS = TimeUnit.HOURS.toNanos(1);

  private enum State {
    /** Nothing received: only CLAIM is expected. */
    NEW,
    /** The dispatcher checks the token; no frame is expected. */
    REDEEMING,
    /** Ready for a user; only PONG is expected. */
    WARM,
    /** Assigned to a user, whose channel is moving to this loop; a PONG may still arrive. */
    ASSIGNED,
    /** Closed, or taken over by a session. */
    OVER
  }

  private final Channel channel;
  private final ClientAddress client;
  private final Dispatchers dispatchers;
  private final BridgeSettings bridgeSettings;
  private final RelayEvents events;
  private final Runnable admitted;

  /** The sessions that the connection has carried before. */
  private final int sessions;

  private long admittedNanos;

  private State state = State.NEW;
  private @Nullable Dispatcher dispatcher;
  private String agentName = "-";
  private @Nullable Future<?> timer;
  private volatile long lastHeardNanos;
  private volatile long pingSentNanos = NO_PING;

  /**
   * @param channel the connection, whose pipeline turns bytes into frames
   * @param admitted run on the channel's loop when the token is accepted: ends the limits for
   *     unauthenticated peers
   */
  public DataConnectionHandler(
      Channel channel,
      ClientAddress client,
      Dispatchers dispatchers,
      BridgeSettings bridgeSettings,
      RelayEvents events,
      Runnable admitted) {
    this.channel = channel;
    this.client = client;
    this.dispatchers = dispatchers;
    this.bridgeSettings = bridgeSettings;
    this.events = events;
    this.admitted = admitted;
    sessions = 0;
  }

  /** The same connection after a session. */
  private DataConnectionHandler(DataConnectionHandler before) {
    channel = before.channel;
    client = before.client;
    dispatchers = before.dispatchers;
    bridgeSettings = before.bridgeSettings;
    events = before.events;
    admitted = before.admitted;
    admittedNanos = before.admittedNanos;
    sessions = before.sessions + 1;
    state = State.WARM;
    dispatcher = before.dispatcher;
    agentName = before.agentName;
    lastHeardNanos = now();
  }

  // --- from the dispatcher ---

  @Override
  public void admit(Dispatcher admittedBy, Token ack, String agent) {
    Sockets.run(
        channel,
        () -> {
          if (state == State.OVER) {
            admittedBy.closed(this);
          } else if (state == State.REDEEMING) {
            dispatcher = admittedBy;
            state = State.WARM;
            agentName = agent;
            admittedNanos = now();
            lastHeardNanos = admittedNanos;
            admitted.run();
            channel.writeAndFlush(Frame.Ready.of(ack));
            pingLater();
          }
        });
  }

  @Override
  public void serve(Assignment assignment) {
    Sockets.run(
        channel,
        () -> {
          if (state == State.WARM) {
            state = State.ASSIGNED;
            stopTimer();
            assignment.user().moveTo(channel.eventLoop(), () -> begin(assignment));
          } else {
            assignment.complete(Outcome.CONNECTION_GONE, ReasonCode.AGENT_LOST);
          }
        });
  }

  private void begin(Assignment assignment) {
    UserConnection user = assignment.user();
    if (state != State.ASSIGNED) {
      user.resume();
      assignment.complete(Outcome.CONNECTION_GONE, ReasonCode.AGENT_LOST);
    } else if (user.isServable()) {
      newSession(assignment).begin(bridgeSettings);
      channel.pipeline().remove(this);
    } else {
      user.settle(channel.eventLoop(), () -> beginWithout(assignment));
    }
  }

  /** The user has left: delivers the bytes that it sent before, or keeps the connection warm. */
  private void beginWithout(Assignment assignment) {
    ByteBuf bytes = assignment.user().takeLastBytes();
    if (state != State.ASSIGNED) {
      ReferenceCountUtil.release(bytes);
      assignment.complete(Outcome.CONNECTION_GONE, ReasonCode.AGENT_LOST);
    } else if (bytes != null) {
      newSession(assignment).deliver(bytes, bridgeSettings);
      channel.pipeline().remove(this);
    } else {
      state = State.WARM;
      if (pingSentNanos == NO_PING) {
        pingLater();
      } else {
        awaitPong();
      }
      assignment.complete(Outcome.USER_GONE, ReasonCode.USER_GONE);
    }
  }

  private Session newSession(Assignment assignment) {
    state = State.OVER;
    boolean pongDue = pingSentNanos != NO_PING;
    return new Session(assignment, this, agentName, channel, pongDue, events);
  }

  /** Whether the connection can carry another session after the one that it has. */
  boolean isReusable() {
    return sessions + 1 < MAX_SESSIONS && now() - admittedNanos < MAX_AGE_NANOS;
  }

  /** The session has ended, and its handlers have left the pipeline: becomes warm again. */
  void reuse(Assignment assignment) {
    DataConnectionHandler next = new DataConnectionHandler(this);
    channel.pipeline().addLast("data", next);
    next.pingLater();
    assignment.dispatcher().reused(next, assignment.agent());
  }

  @Override
  public void ping() {
    Sockets.run(
        channel,
        () -> {
          if (state == State.WARM && pingSentNanos == NO_PING) {
            stopTimer();
            sendPing();
          }
        });
  }

  @Override
  public void close(ReasonCode reason) {
    Sockets.run(
        channel,
        () -> {
          if (state == State.OVER) {
            return;
          }
          if (reason == ReasonCode.BAD_TOKEN) {
            events.dataRefused(client.remote());
          }
          end();
          channel.close();
        });
  }

  @Override
  public long lastHeardNanos() {
    return lastHeardNanos;
  }

  @Override
  public boolean isPingOverdue(long nowNanos) {
    long sent = pingSentNanos;
    return sent != NO_PING && nowNanos - sent > PING_OVERDUE_NANOS;
  }

  // --- from the agent ---

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (state == State.OVER) {
      ReferenceCountUtil.release(msg);
    } else if (state == State.NEW && msg instanceof Frame.Claim) {
      state = State.REDEEMING;
      dispatchers.redeem(((Frame.Claim) msg).secret(), this);
    } else if ((state == State.WARM || state == State.ASSIGNED)
        && msg instanceof Frame.Pong
        && pingSentNanos != NO_PING) {
      pingSentNanos = NO_PING;
      lastHeardNanos = now();
      if (state == State.WARM) {
        stopTimer();
        pingLater();
      }
    } else {
      ReferenceCountUtil.release(msg);
      abort(String.valueOf(msg));
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    end();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(cause.getMessage());
    } else {
      events.dataFailed(client.remote(), cause);
      end();
      ctx.close();
    }
  }

  private void abort(@Nullable String detail) {
    boolean authenticated = state != State.NEW && state != State.REDEEMING;
    events.dataAborted(client.remote(), authenticated, detail);
    end();
    Sockets.reset(channel);
  }

  private void end() {
    if (state != State.OVER) {
      state = State.OVER;
      stopTimer();
      if (dispatcher != null) {
        dispatcher.closed(this);
      }
    }
  }

  // --- pings while warm ---

  private void pingLater() {
    timer = channel.eventLoop().schedule(this::sendPing, PING_EVERY_SECONDS, TimeUnit.SECONDS);
  }

  private void sendPing() {
    pingSentNanos = now();
    channel.writeAndFlush(Frame.Ping.of(pingSentNanos));
    awaitPong();
  }

  private void awaitPong() {
    timer = channel.eventLoop().schedule(this::unanswered, PONG_WITHIN_SECONDS, TimeUnit.SECONDS);
  }

  private void unanswered() {
    events.dataLost(agentName);
    end();
    Sockets.reset(channel);
  }

  private void stopTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private long now() {
    return channel.eventLoop().ticker().nanoTime();
  }
}
