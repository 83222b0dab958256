package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientNetwork;
import io.netty.util.concurrent.Future;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The dispatcher's record of a user. Runs on the dispatcher's loop. */
final class QueuedUser {
  private enum State {
    /** New, or about to enter another state in the same task of the loop. */
    UNASSIGNED,
    /** In the queue. */
    QUEUED,
    /** Assigned to a data connection: a session is open or about to begin. */
    ASSIGNED,
    /** No longer counted. */
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
   * @param confirmed a byte was received, so this is not an agent's late dial
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

  /** The user's assignment; null if it has none. */
  @Nullable Assignment assignment() {
    return assignment;
  }

  /** Whether a byte passed in either direction. */
  boolean isConfirmed() {
    return confirmed;
  }

  void confirm() {
    confirmed = true;
  }

  /**
   * Whether the user was assigned before and lost its data connection before a byte was written to
   * it.
   */
  boolean goesFirst() {
    return goesFirst;
  }

  void goFirst() {
    goesFirst = true;
  }

  /** Whether the user was reset, or closed without a byte, and no longer waits. */
  boolean isDisconnected() {
    return disconnected;
  }

  void disconnected() {
    disconnected = true;
  }

  /** The agents whose data connection failed for this user: it is assigned to others only. */
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

  /** Leaves the queue or the assignment. */
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
