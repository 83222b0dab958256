package io.c2crelay.common.bridge;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Limits bytes per second, of one direction of a session or of many directions together (GCRA). A
 * direction reads in turns of {@link #TURN_BYTES}. While the limit is reached, directions wait for
 * their turns in order of arrival, so that each gets about the same, and a direction with little
 * traffic hardly waits. Safe on any thread.
 */
public final class RateLimit {
  /** A direction that has read this many bytes waits for its next turn. */
  static final int TURN_BYTES = 16 * 1024;

  /** The bytes of a tenth of a second may arrive at once, but at least those of one turn. */
  private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** Bytes that arrived before a session began were not limited: others do not pay for them all. */
  private static final long MAX_DEBT_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** After this time a turn that is not used is returned. */
  private static final long UNUSED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private final double nanosPerByte;
  private final long turnNanos;
  private final long burstNanos;

  /** When everything that was read is within the rate. */
  private long paidAtNanos;

  /** In order of arrival. */
  private final Set<Share> waiting = new LinkedHashSet<>();

  private @Nullable Future<?> timer;

  private RateLimit(long bytesPerSecond, long nowNanos) {
    nanosPerByte = (double) TimeUnit.SECONDS.toNanos(1) / bytesPerSecond;
    turnNanos = nanos(TURN_BYTES);
    burstNanos = Math.max(BURST_NANOS, turnNanos);
    paidAtNanos = nowNanos;
  }

  /** A limit that has not been used yet. */
  public static RateLimit of(long bytesPerSecond, long nowNanos) {
    return new RateLimit(bytesPerSecond, nowNanos);
  }

  /**
   * One direction's share of the limit.
   *
   * @param loop runs {@code turnCame}, and all methods of the share
   */
  Share newShare(EventLoop loop, Runnable turnCame) {
    return new Share(loop, turnCame);
  }

  private long nanos(int bytes) {
    return (long) (bytes * nanosPerByte);
  }

  private synchronized void charge(int bytes, long nowNanos) {
    long price = nanos(bytes);
    long paidAt = latest(paidAtNanos, nowNanos) + price;
    long max = nowNanos + Math.max(MAX_DEBT_NANOS, price) + burstNanos;
    paidAtNanos = paidAt - max > 0 ? max : paidAt;
  }

  /** Returns bytes that were paid for and not read; the next turn may come earlier. */
  private void refund(int bytes, long nowNanos) {
    synchronized (this) {
      paidAtNanos -= nanos(bytes);
    }
    giveTurns(nowNanos);
  }

  /** Returns whether the share has to wait, and enqueues it then. */
  private synchronized boolean enqueue(Share share) {
    if (waiting.isEmpty() && !isReached(share.now())) {
      return false;
    }
    waiting.add(share);
    if (timer == null) {
      setTimer();
    }
    return true;
  }

  private synchronized void leave(Share share) {
    waiting.remove(share);
  }

  private boolean isReached(long nowNanos) {
    return paidAtNanos - burstNanos - nowNanos > 0;
  }

  /** Schedules the next turn, on the loop of the first share. */
  private void setTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
    if (!waiting.isEmpty()) {
      Share first = waiting.iterator().next();
      long wait = Math.max(0, paidAtNanos - burstNanos - first.now());
      timer = first.loop.schedule(() -> giveTurns(first.now()), wait, TimeUnit.NANOSECONDS);
    }
  }

  private void giveTurns(long nowNanos) {
    for (Share share : nextTurns(nowNanos)) {
      if (share.loop.inEventLoop()) {
        share.turnCame();
      } else {
        share.loop.execute(share::turnCame);
      }
    }
  }

  /** The shares whose turn it is. Turns are paid for in advance, as they are used later. */
  private synchronized List<Share> nextTurns(long nowNanos) {
    List<Share> turns = new ArrayList<>();
    Iterator<Share> next = waiting.iterator();
    while (next.hasNext() && !isReached(nowNanos)) {
      turns.add(next.next());
      next.remove();
      charge(TURN_BYTES, nowNanos);
    }
    setTimer();
    return turns;
  }

  private static long latest(long one, long other) {
    return one - other > 0 ? one : other;
  }

  /** One direction's share of the limit. On the direction's event loop. */
  final class Share {
    private final EventLoop loop;
    private final Runnable turnCame;
    private int paidInAdvance;
    private boolean closed;

    private Share(EventLoop loop, Runnable turnCame) {
      this.loop = loop;
      this.turnCame = turnCame;
    }

    /** Accounts for bytes that were read. */
    void took(int bytes) {
      int unpaid = Math.max(0, bytes - paidInAdvance);
      paidInAdvance -= bytes - unpaid;
      if (unpaid > 0) {
        charge(unpaid, now());
      }
    }

    /** Returns whether the direction has to wait for its turn, which {@code turnCame} reports. */
    boolean awaitTurn() {
      return enqueue(this);
    }

    private void turnCame() {
      if (closed) {
        refund(TURN_BYTES, now());
      } else {
        paidInAdvance += TURN_BYTES;
        turnCame.run();
        loop.schedule(this::returnUnused, UNUSED_NANOS, TimeUnit.NANOSECONDS);
      }
    }

    private void returnUnused() {
      if (paidInAdvance >= TURN_BYTES) {
        returnAll();
      }
    }

    private void returnAll() {
      int bytes = paidInAdvance;
      paidInAdvance = 0;
      if (bytes > 0) {
        refund(bytes, now());
      }
    }

    /** Leaves the queue, and returns what was paid in advance. */
    void close() {
      if (!closed) {
        closed = true;
        leave(this);
        returnAll();
      }
    }

    private long now() {
      return loop.ticker().nanoTime();
    }
  }
}
