package io.c2crelay.common.bridge;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.ReasonCode;
import java.time.Duration;

/** The settings of all sessions of a process. Immutable. */
public final class BridgeSettings {
  /** Which end of the data connection this process is. */
  public enum Side {
    /** The raw leg is the user's. The relay closes the data connection first. */
    RELAY(ReasonCode.USER_GONE),
    /** The raw leg is the target's. */
    AGENT(ReasonCode.TARGET_GONE);

    private final ReasonCode rawGone;

    Side(ReasonCode rawGone) {
      this.rawGone = rawGone;
    }

    ReasonCode rawGone() {
      return rawGone;
    }
  }

  private final Side side;
  private final BufferBudget budget;
  private final Duration idleTimeout;
  private final Duration halfCloseTimeout;

  private BridgeSettings(
      Side side, BufferBudget budget, Duration idleTimeout, Duration halfCloseTimeout) {
    this.side = side;
    this.budget = requireNonNull(budget, "budget");
    this.idleTimeout = requireNonNull(idleTimeout, "idleTimeout");
    this.halfCloseTimeout = requireNonNull(halfCloseTimeout, "halfCloseTimeout");
  }

  /** Creates settings; a timeout of zero is off. */
  public static BridgeSettings of(
      Side side, BufferBudget budget, Duration idleTimeout, Duration halfCloseTimeout) {
    return new BridgeSettings(side, budget, idleTimeout, halfCloseTimeout);
  }

  /** Which end of the data connection this process is. */
  public Side side() {
    return side;
  }

  /** The memory that all sessions share. */
  public BufferBudget budget() {
    return budget;
  }

  long idleNanos() {
    return idleTimeout.toNanos();
  }

  long halfCloseNanos() {
    return halfCloseTimeout.toNanos();
  }
}
