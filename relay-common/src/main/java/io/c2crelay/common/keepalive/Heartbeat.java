package io.c2crelay.common.keepalive;

import io.c2crelay.common.protocol.Frame;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Liveness of a control connection: a PING after 10 s without a byte from the peer, given up at 25
 * s. Answers the peer's PINGs, keeps PING and PONG to itself, and passes every other frame on.
 */
public final class Heartbeat extends ChannelInboundHandlerAdapter {
  /** Silence after which a PING is sent, in seconds. */
  public static final int PING_AFTER_SECONDS = 10;

  /** Silence after which the peer counts as dead, in seconds. */
  public static final int DEAD_AFTER_SECONDS = 25;

  private static final long PING_AFTER_NANOS = TimeUnit.SECONDS.toNanos(PING_AFTER_SECONDS);
  private static final long DEAD_AFTER_NANOS = TimeUnit.SECONDS.toNanos(DEAD_AFTER_SECONDS);

  private final Runnable dead;
  private volatile long lastHeardNanos;
  private boolean pinged;
  private @Nullable Future<?> timer;

  /**
   * A heartbeat that runs {@code dead} once, on the channel's loop, when the peer is silent for too
   * long.
   */
  public Heartbeat(Runnable dead) {
    this.dead = dead;
  }

  /** When the peer was last heard, on the scale of the channel's ticker. On any thread. */
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
    pinged = false;
    if (msg instanceof Frame.Ping) {
      if (ctx.channel().isWritable()) { // a peer that asks but does not read gets no queue
        ctx.writeAndFlush(Frame.Pong.of(((Frame.Ping) msg).value()));
      }
    } else if (!(msg instanceof Frame.Pong)) {
      ctx.fireChannelRead(msg);
    }
  }

  private void check(ChannelHandlerContext ctx) {
    long silence = now(ctx) - lastHeardNanos;
    if (silence >= DEAD_AFTER_NANOS) {
      dead.run();
    } else if (silence < PING_AFTER_NANOS) {
      schedule(ctx, PING_AFTER_NANOS - silence);
    } else {
      if (!pinged) {
        pinged = true;
        ctx.writeAndFlush(Frame.Ping.of(now(ctx)));
      }
      // no later than an answer to the PING would need its next one
      schedule(ctx, Math.min(PING_AFTER_NANOS, DEAD_AFTER_NANOS - silence));
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
