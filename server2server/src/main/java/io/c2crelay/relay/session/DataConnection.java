package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;

/**
 * The dispatcher's view of an agent's data connection, from its token, or the end of a session, to
 * its next session. Methods may be called on any thread and take effect later, in order, on the
 * connection's own event loop.
 */
public interface DataConnection {
  /** Accepts the token: the connection sends the ack and is warm for this dispatcher. */
  void admit(Dispatcher dispatcher, Token ack, String agentName);

  /** Joins the assigned user to the connection, and completes the assignment. */
  void serve(Assignment assignment);

  /** Sends a PING at once, unless one is unanswered. */
  void ping();

  /** Closes the connection. */
  void close(ReasonCode reason);

  /** When the agent was last active on it, in nanoseconds. Safe on any thread. */
  long lastHeardNanos();

  /**
   * Whether a PING has been unanswered for so long that no user should be assigned. Safe on any
   * thread.
   */
  boolean isPingOverdue(long nowNanos);
}
