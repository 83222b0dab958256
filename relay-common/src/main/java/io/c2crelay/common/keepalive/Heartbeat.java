package io.c2crelay.common.keepalive;

import io.c2crelay.common.protocol.Frame;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Detects a dead peer of a control connection: sends PING after 10 s without a byte from the peer
 * and reports a timeout after 25 s. Answers the peer's PINGs and consumes PING and PONG.
 */
public final class Heartbeat extends ChannelInboundHandlerAdapter {
  private static final long PING_AFTER_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(25);

  private final Runnable onTimeout;
  private final LongConsumer onRoundTrip;
  private volatile long lastHeardNanos;
  private boolean pingSent;

  /** When the unanswered PING was sent; 0 if there is none. */
  private long pingSentNanos;

  private @Nullable Future<?> timer;

  /**
   * Creates a heartbeat.
   *
   * @param onTimeout run once, on the channel's event loop, when the peer was silent for 25 s
   * @param onRoundTrip receives the round-trip time of each PING in nanoseconds, on the channel's
   *     event loop
   */
  public Heartbeat(Runnable onTimeout, LongConsumer onRoundTrip) {
    this.onTimeout = onTimeout;
    this.onRoundTrip = onRoundTrip;
  }

  /** When a frame was last read, on the clock of the channel's ticker. Any thread may call this. */
  public long lastHeardNanos() {
    return lastHeardNanos;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    lastHeardNanos = now(ctx);
    schedule(ctx, PING_AFTER_NANOS);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    stop();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    stop();
    ctx.fireChannelInactive();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    lastHeardNanos = now(ctx);
    pingSent = false;
    if (msg instanceof Frame.Ping) {
      if (ctx.channel().isWritable()) { // do not queue answers for a peer that does not read
        ctx.writeAndFlush(Frame.Pong.of(((Frame.Ping) msg).value()));
      }
    } else if (!(msg instanceof Frame.Pong)) {
      ctx.fireChannelRead(msg);
    } else if (pingSentNanos != 0) {
      onRoundTrip.accept(lastHeardNanos - pingSentNanos);
      pingSentNanos = 0;
    }
  }

  private void check(ChannelHandlerContext ctx) {
    long idleNanos = now(ctx) - lastHeardNanos;
    if (idleNanos >= TIMEOUT_NANOS) {
      onTimeout.run();
    } else if (idleNanos < PING_AFTER_NANOS) {
      schedule(ctx, PING_AFTER_NANOS - idleNanos);
    } else {
      if (!pingSent) {
        pingSent = true;
        pingSentNanos = now(ctx);
        ctx.writeAndFlush(Frame.Ping.of(pingSentNanos));
      }
      // early enough for the next PING after an immediate answer
      schedule(ctx, Math.min(PING_AFTER_NANOS, TIMEOUT_NANOS - idleNanos));
    }
  }

  private void schedule(ChannelHandlerContext ctx, long delayNanos) {
    timer = ctx.executor().schedule(() -> check(ctx), delayNanos, TimeUnit.NANOSECONDS);
  }

  private void stop() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private static long now(ChannelHandlerContext ctx) {
    return ctx.executor().ticker().nanoTime();
  }
}
