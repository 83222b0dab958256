package io.c2crelay.common.protocol;

/**
 * The reason why a session or connection ended: one byte on the wire and {@code reason=} in logs
 * (docs/protocol.md section 4).
 */
public enum ReasonCode {
  /** Both directions were closed gracefully. Not sent: the two EOF frames imply it. */
  DONE(0),
  /** The target refused the connection. */
  TARGET_REFUSED(1),
  /** The target did not answer within the connect timeout. */
  TARGET_TIMEOUT(2),
  /** No route to the target, or its host name does not resolve. */
  TARGET_UNREACHABLE(3),
  /** A limit of the relay or the agent was reached. */
  LIMIT(4),
  /** The token is unknown, used, expired or bound to another control connection. */
  BAD_TOKEN(5),
  /** The user closed or reset the connection. */
  USER_GONE(6),
  /** A connection classified as a silent user was an agent's. */
  MISCLASSIFIED(7),
  /** A newer control connection of the same agent replaced this one. */
  REPLACED(8),
  /** This end is shutting down. */
  DRAINING(9),
  /** The peer violated the protocol. */
  PROTOCOL(10),
  /** No bytes were transferred within the configured timeout. */
  IDLE(11),
  /** The control connection is older than the one attached. */
  STALE_EPOCH(12),
  /** The connection between relay and agent failed. */
  AGENT_LOST(13),
  /** The agent did not answer START in time. */
  START_TIMEOUT(14),
  /** The target reset the connection, or its socket failed. */
  TARGET_GONE(15),
  /** An internal error; the log of the sender has the details. */
  INTERNAL(16),
  /** No agent accepted the user within the queue timeout. Not sent: the user had no session. */
  NO_AGENT(17),
  /** The key of the agent is no longer one of the relay's. */
  KEY_REMOVED(18);

  private static final ReasonCode[] BY_CODE = values();

  private final int code;

  ReasonCode(int code) {
    this.code = code;
  }

  /** The byte on the wire, 0..255. */
  public int code() {
    return code;
  }

  /** Whether dialling the target failed. */
  public boolean isDialFailure() {
    return this == TARGET_REFUSED || this == TARGET_TIMEOUT || this == TARGET_UNREACHABLE;
  }

  /**
   * Returns the reason for a byte from the wire. Unknown codes are {@link #INTERNAL}. So is {@link
   * #DONE}, so that a peer cannot report an abort as a clean end.
   */
  public static ReasonCode of(int code) {
    return code > DONE.code && code < BY_CODE.length ? BY_CODE[code] : INTERNAL;
  }
}
