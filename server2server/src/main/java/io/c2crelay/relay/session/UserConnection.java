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
 * A user's connection from its classification to its end. On the channel's loop, which changes
 * once, unless stated otherwise; the dispatcher has its own record of it.
 */
public final class UserConnection {
  private final DuplexChannel channel;
  private final ClientAddress client;
  private final Dispatcher dispatcher;
  private final RelayEvents events;
  private final QueuedUser queued;
  private @Nullable PendingUserHandler pending;
  private volatile @Nullable Bridge bridge;

  /** What it sent before it was reset without a session. */
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
   * Makes a user of a classified connection, with a handler at the end of its pipeline, and enters
   * it at the dispatcher. On the channel's loop.
   *
   * @param silent nothing was received yet, so that it may still prove to be an agent's connection
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

  /** A byte of a silent user passed. On the channel's loop. */
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
   * Takes the channel to another loop, then calls back on that loop, in any case: ask {@link
   * #isServable} there.
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

  /** Reads on: the data connection it was moved for is gone. On its loop. */
  void resume() {
    if (pending != null && isServable()) {
      pending.resume();
    }
  }

  boolean isServable() {
    return channel.isActive();
  }

  /** Gives all that was held to the session and takes the pending handler out. */
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
   * @param bytes what it sent before; taken over
   */
  void gone(@Nullable ByteBuf bytes) {
    lastBytes = bytes;
    pending = null;
    dispatcher.disconnected(queued);
  }

  /** The user's connection was reset, and may hold bytes that are not read yet. */
  void wasReset() {
    dispatcher.disconnected(queued);
  }

  /**
   * Calls back on a loop, when all that has happened to the channel is told: ask {@link
   * #takeLastBytes} there.
   */
  void settle(EventLoop loop, Runnable then) {
    Sockets.run(channel, () -> loop.execute(then));
  }

  /** What the user sent before it was reset, to be delivered; null if there is none. */
  @Nullable ByteBuf takeLastBytes() {
    ByteBuf bytes = lastBytes;
    lastBytes = null;
    return bytes;
  }

  /** It was reset, and no data connection was there for it: drops what it sent. On any thread. */
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

  /** Resets a user that has no session. On any thread. */
  void reset(ReasonCode reason) {
    Sockets.run(channel, () -> resetNow(reason));
  }

  private void resetNow(ReasonCode reason) {
    if (bridge == null && channel.isOpen()) {
      events.userReset(client.remote(), dispatcher.service(), reason);
      Sockets.reset(channel);
    }
  }

  /** Ends the user's session, or the user that has none. On any thread. */
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
