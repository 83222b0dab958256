package io.c2crelay.relay.session;

import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.Assignment.Outcome;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * A user joined to a data connection: writes START, bridges the two, and reports the end to the
 * dispatcher and the log. Runs on the data connection's loop, which is also the user channel's.
 */
final class Session implements EarlyDataHandler.Owner, Bridge.Listener, LiveSession {
  private final Assignment assignment;
  private final DataConnectionHandler connection;
  private final long id;
  private final UserConnection user;
  private final String agentName;
  private final Channel data;
  private final boolean pongDue;
  private final RelayEvents events;
  private final long beganNanos;
  private volatile @Nullable Bridge bridge;
  private boolean userKept;

  /**
   * @param pongDue a PING on the data connection is unanswered
   */
  Session(
      Assignment assignment,
      DataConnectionHandler connection,
      String agentName,
      Channel data,
      boolean pongDue,
      RelayEvents events) {
    this.assignment = assignment;
    this.connection = connection;
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
    Bridge joined =
        Bridge.join(user.channel(), data, id, settings, user.dispatcher().newSessionRates(), this);
    bridge = joined;
    joined.begin();
    user.begin(joined);
  }

  /** Starts the session of a user that was reset, to deliver the bytes that it sent before. */
  void deliver(ByteBuf bytes, BridgeSettings settings) {
    start();
    Bridge delivering = Bridge.deliver(bytes, user.channel(), data, id, settings, this);
    bridge = delivering;
    user.delivering(delivering);
  }

  private void start() {
    ClientAddress client = user.client();
    events.sessionOpened(this);
    data.writeAndFlush(Frame.Start.of(id, client.remote(), client.local()));
    data.pipeline().addLast("early-data", new EarlyDataHandler(this, pongDue));
  }

  @Override
  public void started() {
    events.sessionStarted(this);
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
    Bridge joined = bridge;
    if (joined != null) {
      joined.abort(reason);
    }
  }

  /**
   * No bytes of the user were written to the data connection, so the user can be assigned to
   * another.
   */
  private void tryAnother(ReasonCode reason) {
    Bridge joined = bridge;
    if (joined == null || joined.isOver()) {
      return;
    }
    userKept = true;
    joined.release(reason);
    user.await();
    assignment.complete(Outcome.CONNECTION_FAILED, reason);
  }

  @Override
  public void answered() {
    events.sessionAnswered(this);
  }

  @Override
  public void ended(Bridge ended, ReasonCode reason) {
    bridge = ended; // the session may end before begin() or deliver() sets it
    if (userKept) {
      events.sessionRetried(this, reason, ended.deliveredBytes());
    } else {
      events.sessionClosed(this, reason, ended.deliveredBytes());
      assignment.complete(Outcome.SESSION_ENDED, reason);
    }
  }

  @Override
  public boolean keepsConnection() {
    return connection.isReusable() && assignment.dispatcher().keepsConnections();
  }

  @Override
  public void connectionFree() {
    connection.reuse(assignment);
  }

  @Override
  public void connectionViolated(@Nullable String detail) {
    events.dataAborted(data.remoteAddress(), true, detail);
  }

  // --- for the log and the status, on any thread ---

  @Override
  public long id() {
    return id;
  }

  @Override
  public ServiceName service() {
    return user.dispatcher().service();
  }

  @Override
  public InetSocketAddress user() {
    return user.client().remote();
  }

  @Override
  public String peer() {
    return agentName;
  }

  @Override
  public long ageNanos() {
    return data.eventLoop().ticker().nanoTime() - beganNanos;
  }

  @Override
  public long upBytes() {
    Bridge joined = bridge;
    return joined == null ? 0 : joined.rawBytes();
  }

  @Override
  public long downBytes() {
    Bridge joined = bridge;
    return joined == null ? 0 : joined.framedBytes();
  }
}
