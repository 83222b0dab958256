package io.c2crelay.common.splice;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The back-pressure of one direction: reads the source only while the sink takes the bytes and
 * holds no more than its share of the budget. On the session's event loop.
 */
final class FlowGate implements ChannelFutureListener {
  /** How soon a direction that waits for other sessions to let go of memory looks again. */
  private static final long RECHECK_MILLIS = 50;

  private final Channel source;
  private final Channel sink;
  private final BufferBudget budget;
  private final Consumer<Throwable> writeFailed;
  private long counted;
  private boolean rechecking;
  private boolean closed;

  FlowGate(Channel source, Channel sink, BufferBudget budget, Consumer<Throwable> writeFailed) {
    this.source = source;
    this.sink = sink;
    this.budget = budget;
    this.writeFailed = writeFailed;
  }

  /** Counts what the sink holds and lets the source be read, or not. */
  void update() {
    if (closed) {
      return;
    }
    long pending = pendingBytes(sink);
    budget.add(pending - counted);
    counted = pending;
    boolean open = sink.isWritable() && pending <= budget.share() && !budget.isExhausted();
    if (source.config().isAutoRead() != open) {
      source.config().setAutoRead(open);
    }
    if (!open && pending == 0 && !rechecking) {
      // nothing of ours is being written, so no write will call us back
      rechecking = true;
      sink.eventLoop().schedule(this::recheck, RECHECK_MILLIS, TimeUnit.MILLISECONDS);
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
      update();
    } else if (!closed) {
      writeFailed.accept(write.cause());
    }
  }

  /** Lets go of what was counted; the gate has no say any more. */
  void close() {
    closed = true;
    budget.add(-counted);
    counted = 0;
  }

  /**
   * What a channel still has to write, through its public figures: each is 1 more than the distance
   * to its mark.
   */
  private static long pendingBytes(Channel channel) {
    return channel.isWritable()
        ? Math.max(
            0,
            channel.config().getWriteBufferHighWaterMark() + 1L - channel.bytesBeforeUnwritable())
        : channel.config().getWriteBufferLowWaterMark() - 1L + channel.bytesBeforeWritable();
  }
}
