package io.c2crelay.common.splice;

import io.c2crelay.common.transport.SendQueue;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * Resets a connection behind its last byte. A reset discards what the kernel has not sent, so this
 * one waits until the peer has acknowledged everything, or for 30 s if it does not. On the
 * channel's event loop.
 */
final class DelayedReset implements Runnable {
  static final long LIMIT_SECONDS = 30;

  private static final long FIRST_CHECK_MILLIS = 1;
  private static final long MAX_CHECK_MILLIS = 64;

  private final Channel channel;
  private final SendQueue queue;
  private final LongConsumer resetting;
  private final long deadlineNanos;
  private long checkMillis = FIRST_CHECK_MILLIS;

  private DelayedReset(Channel channel, LongConsumer resetting) {
    this.channel = channel;
    this.resetting = resetting;
    queue = SendQueue.of(channel);
    deadlineNanos = now() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
  }

  /**
   * Flushes and resets; at once if nothing is under way.
   *
   * @param resetting told right before the reset, at most once, how many bytes that the kernel took
   *     are lost
   */
  static void of(Channel channel, LongConsumer resetting) {
    channel.flush();
    new DelayedReset(channel, resetting).run();
  }

  @Override
  public void run() {
    if (!channel.isOpen()) {
      return;
    }
    long left = queue.bytes();
    if (left == 0 || now() - deadlineNanos >= 0) {
      resetting.accept(left - SendQueue.pendingBytes(channel));
      Sockets.reset(channel);
    } else {
      channel.eventLoop().schedule(this, checkMillis, TimeUnit.MILLISECONDS);
      checkMillis = Math.min(MAX_CHECK_MILLIS, checkMillis * 2);
    }
  }

  private long now() {
    return channel.eventLoop().ticker().nanoTime();
  }
}
