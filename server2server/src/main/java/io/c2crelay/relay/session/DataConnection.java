package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;

/**
 * An agent's data connection as the dispatcher sees it, from its token to its session. Methods may
 * be called on any thread and take effect later, in order, on the connection's own event loop.
 */
public interface DataConnection {
  /** The token is good: the connection answers with the ack, and is warm for this dispatcher. */
  void admit(Dispatcher dispatcher, Token ack, String agentName);

  /** Joins its user to it, and completes the assignment. */
  void serve(Assignment assignment);

  /** Checks at once whether the agent still answers on it. */
  void ping();

  /** Closes it. */
  void close(ReasonCode reason);

  /** When the agent was last heard on it, in nanoseconds. On any thread. */
  long lastHeardNanos();

  /**
   * Whether a ping has gone unanswered for so long that a user should not be given to it. On any
   * thread.
   */
  boolean isPingOverdue(long nowNanos);
}
