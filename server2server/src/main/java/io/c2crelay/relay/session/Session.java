package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * A user joined to a data connection: writes START, bridges, and tells the dispatcher and the log
 * how it ends. On the data connection's loop, where the user's channel is too.
 */
final class Session implements EarlyDataHandler.Owner, Bridge.Listener {
  private final long id;
  private final User user;
  private final String agentName;
  private final Channel data;
  private final boolean pongDue;
  private final Dispatcher dispatcher;
  private final RelayEvents events;
  private final long beganNanos;
  private @Nullable Bridge bridge;
  private boolean userKept;

  /**
   * @param pongDue a PING on the data connection is not answered yet
   */
  Session(
      long id,
      User user,
      String agentName,
      Channel data,
      boolean pongDue,
      Dispatcher dispatcher,
      RelayEvents events) {
    this.id = id;
    this.user = user;
    this.agentName = agentName;
    this.data = data;
    this.pongDue = pongDue;
    this.dispatcher = dispatcher;
    this.events = events;
    beganNanos = data.eventLoop().ticker().nanoTime();
  }

  /** Starts the session. */
  void begin(BridgeSettings settings) {
    start();
    Bridge joined = Bridge.join(user.channel(), data, settings, this);
    bridge = joined;
    joined.begin();
    user.begin(joined);
  }

  /** Starts the session of a user that was reset, for the bytes that it sent before. */
  void deliver(ByteBuf bytes, BridgeSettings settings) {
    start();
    Bridge delivering = Bridge.deliver(bytes, user.channel(), data, settings, this);
    bridge = delivering;
    user.delivering(delivering);
  }

  private void start() {
    events.sessionOpened(id, user.remoteAddress(), agentName);
    data.writeAndFlush(Frame.Start.of(id, user.remoteAddress(), user.localAddress()));
    data.pipeline().addLast("start-gate", new EarlyDataHandler(this, pongDue));
  }

  @Override
  public void started() {
    events.sessionStarted(id);
  }

  @Override
  public void refused(ReasonCode reason, boolean untouched) {
    boolean busy = reason == ReasonCode.LIMIT || reason == ReasonCode.DRAINING;
    if (busy && untouched) {
      tryAnother(reason);
    } else {
      abort(reason);
    }
  }

  @Override
  public void failed(ReasonCode reason, boolean untouched) {
    if (untouched) {
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
    dispatcher.failed(user, reason);
  }

  @Override
  public void ended(Bridge ended, ReasonCode reason) {
    InetSocketAddress from = user.remoteAddress();
    long up = ended.rawBytes();
    long down = ended.deliveredBytes();
    long nanos = data.eventLoop().ticker().nanoTime() - beganNanos;
    if (userKept) {
      events.sessionRetried(id, from, agentName, reason, up, down, nanos);
    } else {
      events.sessionClosed(id, from, agentName, reason, up, down, nanos);
      dispatcher.left(user, reason);
    }
  }
}
