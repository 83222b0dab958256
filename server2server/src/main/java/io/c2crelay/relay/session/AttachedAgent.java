package io.c2crelay.relay.session;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The dispatcher's record of an attached agent: its warm pool, its dials and its load. Runs on the
 * dispatcher's loop.
 */
final class AttachedAgent {
  /** An agent that has been silent for longer gets no new session. */
  private static final long SILENT_NANOS = TimeUnit.SECONDS.toNanos(12);

  /** How long an agent stays ejected after a failed session: other agents are preferred. */
  private static final long EJECTION_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** How long the refill of the pool waits for the connections of short sessions. */
  static final long RETURN_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final long MIN_REFILL_DELAY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long MAX_REFILL_DELAY_NANOS = TimeUnit.SECONDS.toNanos(30);

  final AgentLink link;
  final List<DataConnection> warm = new ArrayList<>();

  final Load load;

  /** Tokens sent and not yet used, failed or expired. */
  int tokens;

  /** The number of {@link #tokens} that are considered stale. */
  int staleTokens;

  /** The agent takes no more sessions. */
  boolean draining;

  /** Spare connections will be closed. */
  boolean trimming;

  private long takenNanos;
  private boolean hasBeenTaken;
  private long refillDelayNanos;
  private long refillAtNanos;
  private long dialFailedNanos;
  private boolean hasFailed;
  private long sessionFailedNanos;
  private boolean hasFailedASession;

  /**
   * The sessions of an agent process, including unanswered STARTs. They outlive its control
   * connection, so the next one shares this count.
   */
  static final class Load {
    int sessions;
  }

  AttachedAgent(AgentLink link, Load load) {
    this.link = link;
    this.load = load;
  }

  boolean takesSessions(long nowNanos) {
    return !draining && nowNanos - link.lastHeardNanos() <= SILENT_NANOS;
  }

  /** Whether the agent may be dialled for a user: not within 1 s of a failed dial. */
  boolean takesDials(long nowNanos) {
    boolean rests = hasFailed && nowNanos - dialFailedNanos < MIN_REFILL_DELAY_NANOS;
    return takesSessions(nowNanos) && !rests;
  }

  void dialFailed(long nowNanos) {
    hasFailed = true;
    dialFailedNanos = nowNanos;
  }

  /**
   * A session of the agent failed, for example because its target is unreachable. Such sessions end
   * at once, so without ejection the agent would always have the fewest sessions and get all users.
   */
  void failedASession(long nowNanos) {
    hasFailedASession = true;
    sessionFailedNanos = nowNanos;
  }

  boolean isEjected(long nowNanos) {
    return hasFailedASession && nowNanos - sessionFailedNanos < EJECTION_NANOS;
  }

  /**
   * Whether this agent is the better choice for a user: only the other one is ejected, or the other
   * one has more sessions.
   */
  boolean isBetterThan(AttachedAgent other, long nowNanos) {
    boolean last = isEjected(nowNanos);
    return last == other.isEjected(nowNanos) ? load.sessions < other.load.sessions : !last;
  }

  /** The most recently active warm connection; null if none can be assigned. */
  @Nullable DataConnection mostRecentlyActive(long nowNanos) {
    DataConnection best = null;
    for (DataConnection connection : warm) {
      if (!connection.isPingOverdue(nowNanos)
          && (best == null || connection.lastHeardNanos() - best.lastHeardNanos() > 0)) {
        best = connection;
      }
    }
    return best;
  }

  /**
   * The number of warm connections missing from a pool of this size, regardless of pending dials.
   */
  int deficit(int pool, long nowNanos) {
    return draining || isRefillDelayed(nowNanos) || awaitsReturn(pool, nowNanos)
        ? 0
        : Math.max(0, pool - warm.size());
  }

  /** A warm connection was assigned to a user. */
  void taken(long nowNanos) {
    hasBeenTaken = true;
    takenNanos = nowNanos;
  }

  /**
   * Whether the refill can wait, since half of the pool is left: a short session returns its
   * connection.
   */
  boolean awaitsReturn(int pool, long nowNanos) {
    return hasBeenTaken
        && warm.size() < pool
        && warm.size() * 2 >= pool
        && nowNanos - takenNanos < RETURN_NANOS;
  }

  private boolean isRefillDelayed(long nowNanos) {
    return refillDelayNanos > 0 && nowNanos - refillAtNanos < 0;
  }

  /**
   * Delays the refill of the pool after a failed dial: by 1 s, doubling up to 30 s. Further
   * failures during the delay are ignored: they probably have the same cause.
   *
   * @return the delay in nanoseconds; 0 if a delay is running already
   */
  long delayRefill(long nowNanos) {
    if (isRefillDelayed(nowNanos)) {
      return 0;
    }
    refillDelayNanos =
        Math.min(MAX_REFILL_DELAY_NANOS, Math.max(MIN_REFILL_DELAY_NANOS, refillDelayNanos * 2));
    refillAtNanos = nowNanos + refillDelayNanos;
    return refillDelayNanos;
  }

  void dialWorked() {
    refillDelayNanos = 0;
    hasFailed = false;
  }
}
