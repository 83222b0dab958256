package io.c2crelay.common.bridge;

import io.c2crelay.common.transport.SendQueue;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.util.concurrent.Future;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The backpressure of one direction: reads the source only while the sink is writable and holds at
 * most its share of the budget, and only as fast as the rate limits allow. Runs on the session's
 * event loop.
 */
final class Backpressure implements ChannelFutureListener {
  /** The interval at which a direction checks whether other sessions have released memory. */
  private static final long RECHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private final Channel source;
  private final Channel sink;
  private final BufferBudget budget;
  private final List<RateLimit> rates;
  private final Consumer<Throwable> writeFailed;
  private long counted;
  private int readInTurn;
  private @Nullable Future<?> turn;
  private boolean settling;
  private boolean rechecking;
  private boolean sourceEnded;
  private boolean closed;

  Backpressure(
      Channel source,
      Channel sink,
      BufferBudget budget,
      List<RateLimit> rates,
      Consumer<Throwable> writeFailed) {
    this.rates = rates;
    this.source = source;
    this.sink = sink;
    this.budget = budget;
    this.writeFailed = writeFailed;
  }

  /** Accounts for bytes that were read. */
  void read(int bytes) {
    if (rates.isEmpty()) {
      return;
    }
    for (RateLimit rate : rates) {
      rate.took(bytes, sink.eventLoop().ticker().nanoTime());
    }
    readInTurn += bytes;
    if (readInTurn >= RateLimit.TURN_BYTES) {
      update(); // ends the read loop
    }
  }

  /** Once a turn is used up, waits until all rate limits grant the next one. */
  private void takeTurn() {
    if (turn != null || readInTurn < RateLimit.TURN_BYTES) {
      return;
    }
    long wait = 0;
    for (RateLimit rate : rates) {
      wait = Math.max(wait, rate.takeTurn(sink.eventLoop().ticker().nanoTime()));
    }
    if (wait > 0) {
      turn = sink.eventLoop().schedule(this::turnHasCome, wait, TimeUnit.NANOSECONDS);
    } else {
      readInTurn = 0;
    }
  }

  private void turnHasCome() {
    turn = null;
    readInTurn = 0;
    update();
  }

  /** Whether a rate limit has paused reading, so that there may be unread bytes. */
  boolean isWaitingForTurn() {
    return turn != null;
  }

  /**
   * Updates the count of bytes that the sink holds, and enables or disables reads from the source.
   */
  void update() {
    if (closed) {
      return;
    }
    long pending = SendQueue.pendingBytes(sink);
    budget.add(pending - counted);
    counted = pending;
    if (sourceEnded) {
      return;
    }
    // an empty sink is always served, however many others have stalled: it will release its bytes
    boolean open = sink.isWritable() && (pending == 0 || pending <= budget.share());
    if (open) {
      takeTurn();
      open = turn == null;
    }
    if (source.config().isAutoRead() != open) {
      source.config().setAutoRead(open);
    }
    if (!open && turn == null && sink.isWritable() && !rechecking) {
      // memory is short, and no write of this session may ever change that
      rechecking = true;
      sink.eventLoop().schedule(this::recheck, RECHECK_NANOS, TimeUnit.NANOSECONDS);
    }
  }

  private void recheck() {
    rechecking = false;
    update();
  }

  /** A write to the sink completed. */
  @Override
  public void operationComplete(ChannelFuture write) {
    if (write.isSuccess()) {
      if (!settling) {
        // Netty notifies of a write before it subtracts its bytes from the pending bytes
        settling = true;
        sink.eventLoop().execute(this::settle);
      }
    } else if (!closed) {
      writeFailed.accept(write.cause());
    }
  }

  private void settle() {
    settling = false;
    update();
  }

  /** The source has ended: from now on only the bytes that the sink still holds are counted. */
  void sourceEnded() {
    sourceEnded = true;
  }

  /** The sink has its last byte. What the source still sends is not data, so reads stay enabled. */
  void sinkDone() {
    if (!closed) {
      close();
      source.config().setAutoRead(true);
    }
  }

  /** Returns the counted bytes to the budget and stops controlling reads. */
  void close() {
    closed = true;
    if (turn != null) {
      turn.cancel(false);
      turn = null;
    }
    budget.add(-counted);
    counted = 0;
  }
}
