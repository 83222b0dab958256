package io.c2crelay.common.bridge;

import io.c2crelay.common.transport.SendQueue;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

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
  private final List<RateLimit.Share> rates;
  private final Consumer<Throwable> writeFailed;
  private long counted;

  /** Bytes read since the last turn began. A new direction has no turn yet. */
  private int readInTurn = RateLimit.TURN_BYTES;

  /** The number of rate limits that have given the next turn. */
  private int turns;

  private boolean waitingForTurn;
  private boolean settling;
  private boolean rechecking;
  private boolean sourceEnded;
  private boolean closed;

  Backpressure(
      Channel source,
      Channel sink,
      BufferBudget budget,
      List<RateLimit> limits,
      Consumer<Throwable> writeFailed) {
    this.source = source;
    this.sink = sink;
    this.budget = budget;
    this.writeFailed = writeFailed;
    rates = new ArrayList<>(limits.size());
    for (RateLimit limit : limits) {
      rates.add(limit.newShare(sink.eventLoop(), this::turnCame));
    }
  }

  /** Accounts for bytes that were read. */
  void read(int bytes) {
    if (rates.isEmpty()) {
      return;
    }
    rates.forEach(rate -> rate.took(bytes));
    readInTurn += bytes;
    if (readInTurn >= RateLimit.TURN_BYTES) {
      update(); // ends the read loop
    }
  }

  /**
   * Whether the direction may read. When its turn is used up, it needs the next one of each rate
   * limit, one after the other.
   */
  private boolean hasTurn() {
    while (!waitingForTurn && readInTurn >= RateLimit.TURN_BYTES) {
      if (turns == rates.size()) {
        turns = 0;
        readInTurn = 0;
      } else {
        waitingForTurn = rates.get(turns).awaitTurn();
        turns++;
      }
    }
    return !waitingForTurn;
  }

  private void turnCame() {
    waitingForTurn = false;
    update();
  }

  /** Whether a rate limit has paused reading, so that there may be unread bytes. */
  boolean isWaitingForTurn() {
    return waitingForTurn;
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
    open = open && hasTurn();
    if (source.config().isAutoRead() != open) {
      source.config().setAutoRead(open);
    }
    if (!open && !waitingForTurn && sink.isWritable() && !rechecking) {
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
    rates.forEach(RateLimit.Share::close);
    waitingForTurn = false;
    budget.add(-counted);
    counted = 0;
  }
}
