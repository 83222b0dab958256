package io.c2crelay.common.bridge;

import io.c2crelay.common.transport.SendQueue;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * Resets a connection after its last byte. A reset discards bytes that the kernel has not sent, so
 * this class first waits until the peer has acknowledged all bytes. Its owner bounds the wait. Runs
 * on the channel's event loop.
 */
final class DelayedReset implements Runnable {
  private static final long FIRST_CHECK_MILLIS = 1;
  private static final long MAX_CHECK_MILLIS = 64;

  private final Channel channel;
  private final SendQueue queue;
  private final LongConsumer resetting;
  private long checkMillis = FIRST_CHECK_MILLIS;

  private DelayedReset(Channel channel, LongConsumer resetting) {
    this.channel = channel;
    this.resetting = resetting;
    queue = SendQueue.of(channel);
  }

  /**
   * Flushes and resets; at once if no bytes are in flight.
   *
   * @param resetting called right before the reset, at most once, with the number of bytes that the
   *     kernel accepted and that are lost
   */
  static DelayedReset of(Channel channel, LongConsumer resetting) {
    channel.flush();
    DelayedReset reset = new DelayedReset(channel, resetting);
    reset.run();
    return reset;
  }

  @Override
  public void run() {
    if (queue.bytes() == 0) {
      reset(0);
    } else {
      channel.eventLoop().schedule(this, checkMillis, TimeUnit.MILLISECONDS);
      checkMillis = Math.min(MAX_CHECK_MILLIS, checkMillis * 2);
    }
  }

  /** Resets without waiting any longer. */
  void now() {
    reset(queue.bytes() - SendQueue.pendingBytes(channel));
  }

  private void reset(long lost) {
    if (channel.isOpen()) {
      resetting.accept(lost);
      Sockets.reset(channel);
    }
  }
}
