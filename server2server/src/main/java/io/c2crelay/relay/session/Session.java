package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.Assignment.Outcome;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * A user joined to a data connection: writes START, bridges, and tells the dispatcher and the log
 * how it ends. On the data connection's loop, where the user's channel is too.
 */
final class Session implements EarlyDataHandler.Owner, Bridge.Listener {
  private final Assignment assignment;
  private final long id;
  private final UserConnection user;
  private final String agentName;
  private final Channel data;
  private final boolean pongDue;
  private final RelayEvents events;
  private final long beganNanos;
  private @Nullable Bridge bridge;
  private boolean userKept;

  /**
   * @param pongDue a PING on the data connection is not answered yet
   */
  Session(
      Assignment assignment, String agentName, Channel data, boolean pongDue, RelayEvents events) {
    this.assignment = assignment;
    id = assignment.sessionId();
    user = assignment.user();
    this.agentName = agentName;
    this.data = data;
    this.pongDue = pongDue;
    this.events = events;
    beganNanos = data.eventLoop().ticker().nanoTime();
  }

  /** Starts the session. */
  void begin(BridgeSettings settings) {
    start();
    Bridge joined = Bridge.join(user.channel(), data, id, settings, this);
    bridge = joined;
    joined.begin();
    user.begin(joined);
  }

  /** Starts the session of a user that was reset, for the bytes that it sent before. */
  void deliver(ByteBuf bytes, BridgeSettings settings) {
    start();
    Bridge delivering = Bridge.deliver(bytes, user.channel(), data, id, settings, this);
    bridge = delivering;
    user.delivering(delivering);
  }

  private void start() {
    ClientAddress client = user.client();
    events.sessionOpened(id, user.dispatcher().service(), client.remote(), agentName);
    data.writeAndFlush(Frame.Start.of(id, client.remote(), client.local()));
    data.pipeline().addLast("early-data", new EarlyDataHandler(this, pongDue));
  }

  @Override
  public void started() {
    events.sessionStarted(id);
  }

  @Override
  public void refused(ReasonCode reason, boolean replayable) {
    boolean busy = reason == ReasonCode.LIMIT || reason == ReasonCode.DRAINING;
    if (busy && replayable) {
      tryAnother(reason);
    } else {
      abort(reason);
    }
  }

  @Override
  public void failed(ReasonCode reason, boolean replayable) {
    if (replayable) {
      tryAnother(reason);
    } else {
      abort(reason);
    }
  }

  private void abort(ReasonCode reason) {
    if (bridge != null) {
      bridge.abort(reason);
    }
  }

  /** Nothing of the user's went into the data connection, so the user can have another. */
  private void tryAnother(ReasonCode reason) {
    if (bridge == null || bridge.isOver()) {
      return;
    }
    userKept = true;
    bridge.release(reason);
    user.await();
    assignment.complete(Outcome.CONNECTION_FAILED, reason);
  }

  @Override
  public void ended(Bridge ended, ReasonCode reason) {
    InetSocketAddress from = user.client().remote();
    long up = ended.rawBytes();
    long down = ended.deliveredBytes();
    long nanos = data.eventLoop().ticker().nanoTime() - beganNanos;
    if (userKept) {
      events.sessionRetried(
          id, user.dispatcher().service(), from, agentName, reason, up, down, nanos);
    } else {
      events.sessionClosed(
          id, user.dispatcher().service(), from, agentName, reason, up, down, nanos);
      assignment.complete(Outcome.SESSION_ENDED, reason);
    }
  }
}
