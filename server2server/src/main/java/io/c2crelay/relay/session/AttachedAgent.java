package io.c2crelay.relay.session;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * An attached agent in the dispatcher's books: its warm pool, its dials and its load. On the
 * dispatcher's loop.
 */
final class AttachedAgent {
  /** An agent not heard for longer gets no new session. */
  private static final long SILENT_NANOS = TimeUnit.SECONDS.toNanos(12);

  /** For so long after a session that came to nothing, others are asked first. */
  private static final long EJECTION_NANOS = TimeUnit.SECONDS.toNanos(5);

  private static final long MIN_REFILL_DELAY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long MAX_REFILL_DELAY_NANOS = TimeUnit.SECONDS.toNanos(30);

  final AgentLink link;
  final List<DataConnection> warm = new ArrayList<>();

  final Load load;

  /** Tokens sent and not yet used, failed or expired. */
  int tokens;

  /** Those of {@link #tokens} that are so old that nobody waits for them. */
  int staleTokens;

  /** It said that it takes no more sessions. */
  boolean draining;

  private long refillDelayNanos;
  private long refillAtNanos;
  private long dialFailedNanos;
  private boolean hasFailed;
  private long sessionFailedNanos;
  private boolean hasFailedASession;

  /**
   * The sessions of an agent process, unanswered STARTs too: they outlive its control connection,
   * so a new one finds them here.
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

  /** Whether a user's dial may go to it: not for a second after one has failed. */
  boolean takesDials(long nowNanos) {
    boolean rests = hasFailed && nowNanos - dialFailedNanos < MIN_REFILL_DELAY_NANOS;
    return takesSessions(nowNanos) && !rests;
  }

  void dialFailed(long nowNanos) {
    hasFailed = true;
    dialFailedNanos = nowNanos;
  }

  /**
   * A session that it got came to nothing: its target cannot be reached, say. As such sessions end
   * at once, it would always have the fewest, and get all users.
   */
  void failedASession(long nowNanos) {
    hasFailedASession = true;
    sessionFailedNanos = nowNanos;
  }

  boolean isEjected(long nowNanos) {
    return hasFailedASession && nowNanos - sessionFailedNanos < EJECTION_NANOS;
  }

  /** Whether a user should rather go to this one: the other is a last choice, or has more to do. */
  boolean isBetterThan(AttachedAgent other, long nowNanos) {
    boolean last = isEjected(nowNanos);
    return last == other.isEjected(nowNanos) ? load.sessions < other.load.sessions : !last;
  }

  /** The warm connection heard most recently, or null if none is fit to be given out. */
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

  /** Warm connections missing from a pool of this size, dials under way not counted. */
  int deficit(int pool, long nowNanos) {
    return draining || isRefillDelayed(nowNanos) ? 0 : Math.max(0, pool - warm.size());
  }

  private boolean isRefillDelayed(long nowNanos) {
    return refillDelayNanos > 0 && nowNanos - refillAtNanos < 0;
  }

  /**
   * A dial went wrong, so the pool is refilled later: after 1 s, doubling to 30 s. What else goes
   * wrong until then has the same cause, most likely.
   *
   * @return the delay in nanoseconds; 0 if there is one already
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
