package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.ReferenceCountUtil;
import org.jspecify.annotations.Nullable;

/**
 * A user's connection from its classification to its end. Runs on the channel's loop, which changes
 * when the user is assigned, unless stated otherwise. {@link QueuedUser} is the dispatcher's record
 * of it.
 */
public final class UserConnection {
  private final DuplexChannel channel;
  private final ClientAddress client;
  private final Dispatcher dispatcher;
  private final RelayEvents events;
  private final QueuedUser queued;
  private @Nullable PendingUserHandler pending;
  private volatile @Nullable Bridge bridge;

  /** The bytes that the user sent before it was reset without a session. */
  private @Nullable ByteBuf lastBytes;

  private UserConnection(
      DuplexChannel channel,
      ClientAddress client,
      Dispatcher dispatcher,
      RelayEvents events,
      boolean silent) {
    this.channel = channel;
    this.client = client;
    this.dispatcher = dispatcher;
    this.events = events;
    queued = new QueuedUser(this, !silent);
  }

  /**
   * Creates a user from a classified connection, adds a handler at the end of its pipeline, and
   * registers it with the dispatcher. On the channel's loop.
   *
   * @param silent nothing was received yet, so it may still be an agent's connection
   */
  public static UserConnection enter(
      DuplexChannel channel,
      ClientAddress client,
      Dispatcher dispatcher,
      RelayEvents events,
      boolean silent) {
    UserConnection user = new UserConnection(channel, client, dispatcher, events, silent);
    Sockets.resetOnClose(channel, true); // what it sent is lost if this process ends now
    user.await();
    dispatcher.enter(user.queued);
    return user;
  }

  /** A byte passed to or from a silent user. On the channel's loop. */
  public void confirm() {
    dispatcher.confirm(queued);
  }

  /** A silent user's connection is an agent's: resets it. On the channel's loop. */
  public void misclassified() {
    dispatcher.shared().misclassified(client.network());
    abort(ReasonCode.MISCLASSIFIED);
  }

  /** Holds what the user sends until it has a session. */
  void await() {
    bridge = null;
    pending = new PendingUserHandler(this, dispatcher.budget());
    channel.pipeline().addLast("pending-user", pending);
    channel.config().setAutoRead(true);
  }

  /**
   * Moves the channel to another loop, then runs {@code then} on that loop, even if the channel has
   * closed: check {@link #isServable} there.
   */
  void moveTo(EventLoop loop, Runnable then) {
    Sockets.run(
        channel,
        () -> {
          if (!isServable() || channel.eventLoop() == loop) {
            loop.execute(then);
            return;
          }
          channel.config().setAutoRead(false);
          channel
              .deregister()
              .addListener(
                  deregistered ->
                      loop.register(channel).addListener(registered -> loop.execute(then)));
        });
  }

  /**
   * Resumes reading: the data connection that it was moved for was lost. On that connection's loop.
   */
  void resume() {
    if (pending != null && isServable()) {
      pending.resume();
    }
  }

  boolean isServable() {
    return channel.isActive();
  }

  /** Forwards everything held to the session and removes the pending handler. */
  void begin(Bridge session) {
    bridge = session;
    if (pending != null) {
      pending.handOver();
      pending = null;
    }
  }

  /**
   * The user's connection ended before it had a session.
   *
   * @param bytes the bytes that it sent before; takes ownership
   */
  void gone(@Nullable ByteBuf bytes) {
    lastBytes = bytes;
    pending = null;
    dispatcher.disconnected(queued);
  }

  /** The user's connection was reset, and may have bytes that are not read yet. */
  void wasReset() {
    dispatcher.disconnected(queued);
  }

  /**
   * Runs {@code then} on a loop after all earlier events of the channel are handled: call {@link
   * #takeLastBytes} there.
   */
  void settle(EventLoop loop, Runnable then) {
    Sockets.run(channel, () -> loop.execute(then));
  }

  /**
   * Takes the bytes that the user sent before it was reset, for delivery; null if there are none.
   */
  @Nullable ByteBuf takeLastBytes() {
    ByteBuf bytes = lastBytes;
    lastBytes = null;
    return bytes;
  }

  /** Drops the bytes of a user that was reset without a data connection. Safe on any thread. */
  void discard() {
    Sockets.run(
        channel,
        () -> {
          ReferenceCountUtil.release(takeLastBytes());
          channel.close();
        });
  }

  /** A session delivers the last bytes of this user. */
  void delivering(Bridge session) {
    bridge = session;
  }

  /** Resets a user without a session. Safe on any thread. */
  void reset(ReasonCode reason) {
    Sockets.run(channel, () -> resetNow(reason));
  }

  private void resetNow(ReasonCode reason) {
    if (bridge == null && channel.isOpen()) {
      events.userReset(client.remote(), dispatcher.service(), reason);
      Sockets.reset(channel);
    }
  }

  /** Aborts the user's session, or resets a user without one. Safe on any thread. */
  void abort(ReasonCode reason) {
    Sockets.run(
        channel,
        () -> {
          Bridge session = bridge;
          if (session != null) {
            session.abort(reason);
          } else {
            resetNow(reason); // not later: a session may begin meanwhile
          }
        });
  }

  DuplexChannel channel() {
    return channel;
  }

  ClientAddress client() {
    return client;
  }

  Dispatcher dispatcher() {
    return dispatcher;
  }

  QueuedUser queued() {
    return queued;
  }
}
