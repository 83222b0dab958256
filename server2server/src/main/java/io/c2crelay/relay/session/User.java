package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A user's connection from its classification to its end. Its first part belongs to the dispatcher
 * and its loop, its second to the channel and the loop that this is on at the time.
 */
public final class User {

  // --- on the dispatcher's loop ---

  /** Where the dispatcher has the user. */
  enum State {
    /** In the queue. */
    QUEUED,
    /** Given to a data connection: about to have a session, or in one. */
    ASSIGNED,
    /** Taken out of its place, and about to get another in the same turn of the loop. */
    UNASSIGNED,
    /** Counted no more. */
    GONE
  }

  State state = State.QUEUED;

  /** A byte passed either way, so this is no agent's late dial. */
  boolean confirmed;

  /** It was served already, and lost its data connection before it sent a byte. */
  boolean goesFirst;

  /** The agent that serves it, or did last. */
  @Nullable AttachedAgent agent;

  /** The agents whose data connection failed it: it is for another one now. */
  final Set<AttachedAgent> excludedAgents = new HashSet<>();

  @Nullable Future<?> waitTimer;

  /** It was reset, or closed without a byte: it waits no more. */
  boolean gone;

  // --- on the channel's loop ---

  private final DuplexChannel channel;
  private final ClientAddress client;
  private final Dispatcher dispatcher;
  private final RelayEvents events;
  private @Nullable PendingUserHandler waiting;
  private volatile @Nullable Bridge bridge;

  /** What it sent before it was reset without a session. */
  private @Nullable ByteBuf lastBytes;

  private User(
      DuplexChannel channel, ClientAddress client, Dispatcher dispatcher, RelayEvents events) {
    this.channel = channel;
    this.client = client;
    this.dispatcher = dispatcher;
    this.events = events;
  }

  /**
   * Makes a user of a classified connection, with a handler at the end of its pipeline, and enters
   * it at the dispatcher. On the channel's loop.
   *
   * @param silent nothing was received yet, so that it may still prove to be an agent's connection
   */
  public static User enter(
      DuplexChannel channel,
      ClientAddress client,
      Dispatcher dispatcher,
      RelayEvents events,
      boolean silent) {
    User user = new User(channel, client, dispatcher, events);
    user.confirmed = !silent;
    Sockets.resetOnClose(channel, true); // what it sent is lost if this process ends now
    user.await();
    dispatcher.enter(user);
    return user;
  }

  /** A byte of a silent user passed. On the channel's loop. */
  public void confirm() {
    dispatcher.confirm(this);
  }

  /** A silent user's connection is an agent's: resets it. On the channel's loop. */
  public void misclassified() {
    dispatcher.shared().misclassified(client.network());
    abort(ReasonCode.MISCLASSIFIED);
  }

  /** Holds what the user sends until it has a session. */
  void await() {
    bridge = null;
    waiting = new PendingUserHandler(this, dispatcher.budget());
    channel.pipeline().addLast("pending-user", waiting);
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
    if (waiting != null && isServable()) {
      waiting.resume();
    }
  }

  boolean isServable() {
    return channel.isActive();
  }

  /** Gives all that was held to the session and takes the waiting handler out. */
  void begin(Bridge session) {
    bridge = session;
    if (waiting != null) {
      waiting.handOver();
      waiting = null;
    }
  }

  /**
   * The user's connection ended before it had a session.
   *
   * @param bytes what it sent before; taken over
   */
  void gone(@Nullable ByteBuf bytes) {
    lastBytes = bytes;
    waiting = null;
    dispatcher.gone(this);
  }

  /** The user's connection was reset, and may hold bytes that are not read yet. */
  void wasReset() {
    dispatcher.gone(this);
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
      events.userReset(client.remote(), service(), reason);
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

  ServiceName service() {
    return dispatcher.service();
  }
}
