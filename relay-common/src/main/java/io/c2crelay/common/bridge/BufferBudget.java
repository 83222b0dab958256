package io.c2crelay.common.bridge;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What all sessions of a process may hold in buffers together. Each sink may hold up to its share
 * of what is free (a dynamic threshold, after Choudhury and Hahne, 1998), and its source is read in
 * pieces of that size: stalled sessions fill only a part, and the rest goes on flowing. Safe on any
 * thread.
 */
public final class BufferBudget {
  /**
   * A sink's share of the free bytes is 1/1024: a thousand stalled sinks leave enough for others.
   */
  private static final int SHARES = 1024;

  private final long limit;
  private final AtomicLong used = new AtomicLong();

  private BufferBudget(long limit) {
    this.limit = limit;
  }

  /** A budget of so many bytes. */
  public static BufferBudget ofBytes(long limit) {
    return new BufferBudget(limit);
  }

  /** Most bytes one sink may hold now. */
  public long share() {
    return Math.max(0, limit - used.get()) / SHARES;
  }

  /** Whether nothing is left for a new session. */
  public boolean isExhausted() {
    return used.get() >= limit;
  }

  /** Bytes held now. */
  public long usedBytes() {
    return used.get();
  }

  /** Accounts for bytes held (positive) or let go (negative). */
  public void add(long bytes) {
    if (bytes != 0) {
      used.addAndGet(bytes);
    }
  }
}
