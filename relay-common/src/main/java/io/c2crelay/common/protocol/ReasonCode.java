package io.c2crelay.common.protocol;

/**
 * Why a session or a connection ended: one byte on the wire, and the {@code reason=} of a log line.
 */
public enum ReasonCode {
  /** Both directions were closed in order. Never sent: the two EOF frames say it. */
  DONE(0),
  /** The target refused the connection. */
  TARGET_REFUSED(1),
  /** The target did not answer within the connect time-out. */
  TARGET_TIMEOUT(2),
  /** The target's address has no route, or its name does not resolve. */
  TARGET_UNREACHABLE(3),
  /** A limit of the relay or the agent is reached. */
  LIMIT(4),
  /** The token is unknown, used, expired, or of another control connection. */
  TOKEN(5),
  /** The user closed or reset the connection. */
  USER_GONE(6),
  /** A connection taken for a silent user proved to be an agent's. */
  RECLASSIFIED(7),
  /** A newer control connection of the same agent took over. */
  REPLACED(8),
  /** This end is shutting down. */
  DRAINING(9),
  /** The peer broke the protocol. */
  PROTOCOL(10),
  /** No bytes for as long as the operator allows. */
  IDLE(11),
  /** A control connection older than the one attached. */
  STALE_EPOCH(12),
  /** The connection to the agent (or, seen from the agent, to the relay) broke. */
  AGENT_LOST(13),
  /** The agent did not answer START in time. */
  START_TIMEOUT(14),
  /** The target reset the connection or its socket failed. */
  TARGET_GONE(15),
  /** A fault of this program; the log of the end that sent it has the details. */
  INTERNAL(16),
  /** No agent took the user within the waiting time. Never sent: the user had no session yet. */
  NO_AGENT(17);

  private static final ReasonCode[] BY_CODE = values();

  private final int code;

  ReasonCode(int code) {
    this.code = code;
  }

  /** The code on the wire, 0..255. */
  public int code() {
    return code;
  }

  /** Whether the target could not be dialled. */
  public boolean isOfDiallingTheTarget() {
    return this == TARGET_REFUSED || this == TARGET_TIMEOUT || this == TARGET_UNREACHABLE;
  }

  /**
   * The reason of a code from the wire; one that this build does not know is {@link #INTERNAL}, and
   * so is {@link #DONE}, which nobody sends: no peer can call an abort an orderly end.
   */
  public static ReasonCode of(int code) {
    return code > DONE.code && code < BY_CODE.length ? BY_CODE[code] : INTERNAL;
  }
}
