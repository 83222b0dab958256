package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ReasonCode;

/** The assignment of a user to a data connection, until its outcome. Immutable. */
final class Assignment {
  /** The outcome of an assignment. */
  enum Outcome {
    /** The session ended. */
    SESSION_ENDED,
    /** The user left before a session began: the data connection stays warm. */
    USER_GONE,
    /** The data connection closed before a session began: the user goes first in the queue. */
    CONNECTION_GONE,
    /**
     * The data connection failed before a byte of the user was written to it: the user can be
     * assigned to another.
     */
    CONNECTION_FAILED
  }

  private final Dispatcher dispatcher;
  private final long sessionId;
  private final QueuedUser user;
  private final AttachedAgent agent;
  private final DataConnection connection;

  Assignment(
      Dispatcher dispatcher,
      long sessionId,
      QueuedUser user,
      AttachedAgent agent,
      DataConnection connection) {
    this.dispatcher = dispatcher;
    this.sessionId = sessionId;
    this.user = user;
    this.agent = agent;
    this.connection = connection;
  }

  Dispatcher dispatcher() {
    return dispatcher;
  }

  long sessionId() {
    return sessionId;
  }

  UserConnection user() {
    return user.connection();
  }

  QueuedUser queuedUser() {
    return user;
  }

  AttachedAgent agent() {
    return agent;
  }

  DataConnection connection() {
    return connection;
  }

  /** Reports the outcome to the dispatcher. Call it once, on any thread. */
  void complete(Outcome outcome, ReasonCode reason) {
    dispatcher.completed(this, outcome, reason);
  }
}
