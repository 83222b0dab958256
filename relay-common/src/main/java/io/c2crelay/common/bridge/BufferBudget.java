package io.c2crelay.common.bridge;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The limit on the bytes that all sessions of a process buffer. Each sink may hold up to its share
 * of the free bytes (a dynamic threshold, after Choudhury and Hahne, 1998), and its source is read
 * in pieces of that size. Stalled sessions fill only a part, so the others continue. Safe on any
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

  /** Creates a budget of {@code limit} bytes. */
  public static BufferBudget ofBytes(long limit) {
    return new BufferBudget(limit);
  }

  /** The maximum number of bytes that one sink may hold now. */
  public long share() {
    return Math.max(0, limit - used.get()) / SHARES;
  }

  /** Whether no bytes are left for a new session. */
  public boolean isExhausted() {
    return used.get() >= limit;
  }

  /** Bytes held now. */
  public long usedBytes() {
    return used.get();
  }

  /** Accounts for bytes acquired (positive) or released (negative). */
  public void add(long bytes) {
    if (bytes != 0) {
      used.addAndGet(bytes);
    }
  }
}
