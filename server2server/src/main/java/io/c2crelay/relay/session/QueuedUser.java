package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientNetwork;
import io.netty.util.concurrent.Future;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A user as the dispatcher sees it. On the dispatcher's loop. */
final class QueuedUser {
  private enum State {
    /** New, or about to get another place in the same turn of the loop. */
    UNASSIGNED,
    /** In the queue. */
    QUEUED,
    /** Given to a data connection: about to have a session, or in one. */
    ASSIGNED,
    /** Counted no more. */
    GONE
  }

  private final UserConnection connection;
  private final Set<AttachedAgent> excludedAgents = new HashSet<>();
  private State state = State.UNASSIGNED;
  private boolean confirmed;
  private boolean goesFirst;
  private boolean disconnected;
  private @Nullable Future<?> queueTimer;
  private @Nullable Assignment assignment;

  /**
   * @param confirmed a byte was received, so this is no agent's late dial
   */
  QueuedUser(UserConnection connection, boolean confirmed) {
    this.connection = connection;
    this.confirmed = confirmed;
  }

  UserConnection connection() {
    return connection;
  }

  ClientNetwork network() {
    return connection.client().network();
  }

  ServiceName service() {
    return connection.dispatcher().service();
  }

  boolean isQueued() {
    return state == State.QUEUED;
  }

  boolean isGone() {
    return state == State.GONE;
  }

  /** What the user is given to; null if it is not. */
  @Nullable Assignment assignment() {
    return assignment;
  }

  /** Whether a byte passed either way. */
  boolean isConfirmed() {
    return confirmed;
  }

  void confirm() {
    confirmed = true;
  }

  /** Whether it was served already, and lost its data connection before it sent a byte. */
  boolean goesFirst() {
    return goesFirst;
  }

  void goFirst() {
    goesFirst = true;
  }

  /** Whether it was reset, or closed without a byte: it waits no more. */
  boolean isDisconnected() {
    return disconnected;
  }

  void disconnected() {
    disconnected = true;
  }

  /** The agents whose data connection failed the user: it is for another one now. */
  Set<AttachedAgent> excludedAgents() {
    return excludedAgents;
  }

  void exclude(AttachedAgent agent) {
    excludedAgents.add(agent);
  }

  void queued(Future<?> timer) {
    state = State.QUEUED;
    queueTimer = timer;
  }

  void assigned(Assignment to) {
    stopTimer();
    state = State.ASSIGNED;
    assignment = to;
  }

  /** Leaves its place for another one. */
  void released() {
    stopTimer();
    state = State.UNASSIGNED;
    assignment = null;
  }

  void gone() {
    released();
    state = State.GONE;
  }

  private void stopTimer() {
    if (queueTimer != null) {
      queueTimer.cancel(false);
      queueTimer = null;
    }
  }
}
