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
 * The back-pressure of one direction: reads the source only while the sink takes the bytes and
 * holds no more than its share of the budget, and no faster than is allowed. On the session's event
 * loop.
 */
final class Backpressure implements ChannelFutureListener {
  /** How soon a direction that waits for other sessions to let go of memory looks again. */
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
      update(); // ends the loop of reads
    }
  }

  /** After a turn is used up, waits for the next one of all rates. */
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

  /** Whether bytes may be there that are not read yet, for their rate. */
  boolean isWaitingForTurn() {
    return turn != null;
  }

  /** Counts what the sink holds and lets the source be read, or not. */
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
    // a sink that holds nothing is always served: however many others have stalled, it will let go
    boolean open = sink.isWritable() && (pending == 0 || pending <= budget.share());
    if (open) {
      takeTurn();
      open = turn == null;
    }
    if (source.config().isAutoRead() != open) {
      source.config().setAutoRead(open);
    }
    if (!open && turn == null && sink.isWritable() && !rechecking) {
      // the memory is short, which no write of ours need change
      rechecking = true;
      sink.eventLoop().schedule(this::recheck, RECHECK_NANOS, TimeUnit.NANOSECONDS);
    }
  }

  private void recheck() {
    rechecking = false;
    update();
  }

  /** A write to the sink is through. */
  @Override
  public void operationComplete(ChannelFuture write) {
    if (write.isSuccess()) {
      if (!settling) {
        // Netty tells of a write before it takes its bytes off the count
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

  /** Nothing more comes from the source: only what the sink still holds is counted from now on. */
  void sourceEnded() {
    sourceEnded = true;
  }

  /** The sink has its last byte: what the source still has to say is no bytes, and always heard. */
  void sinkDone() {
    if (!closed) {
      close();
      source.config().setAutoRead(true);
    }
  }

  /** Lets go of what was counted; the gate has no say any more. */
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
