package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ReasonCode;

/** A user that was given to a data connection, until that has an outcome. Immutable. */
final class Assignment {
  /** What became of it. */
  enum Outcome {
    /** The session ended. */
    SESSION_ENDED,
    /** The user left before a session began: the data connection is as warm as before. */
    USER_GONE,
    /** The data connection closed before a session began: the user goes first now. */
    CONNECTION_GONE,
    /** The data connection failed before a byte of the user's went into it: another may have it. */
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

  /** Tells the dispatcher the outcome. Once, on any thread. */
  void complete(Outcome outcome, ReasonCode reason) {
    dispatcher.completed(this, outcome, reason);
  }
}
