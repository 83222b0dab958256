package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.PendingWriteQueue;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Handles a data connection between START and its response. Writes up to 64 KiB of the user's bytes
 * before STARTED and holds the rest. Held bytes count as pending, so backpressure stops reads from
 * the user. Removes itself at STARTED. Reports STARTED, FAILED or a failure to its owner; a failure
 * is any other frame, a lost connection or no response within 5 s.
 */
final class EarlyDataHandler extends ChannelDuplexHandler {
  /** Receives the outcome: at most one call in all. */
  interface Owner {
    void started();

    /** The agent refused the session. */
    void refused(ReasonCode reason, boolean replayable);

    /** The data connection failed. */
    void failed(ReasonCode reason, boolean replayable);
  }

  private static final long ANSWER_SECONDS = 5;

  private final Owner owner;
  private boolean pongDue;
  private int written;
  private boolean replayable = true;
  private boolean over;
  private @Nullable PendingWriteQueue held;
  private @Nullable Future<?> timer;

  /**
   * @param pongDue a PING was sent before START, and its PONG may still arrive
   */
  EarlyDataHandler(Owner owner, boolean pongDue) {
    this.owner = owner;
    this.pongDue = pongDue;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    timer =
        ctx.executor()
            .schedule(() -> fail(ReasonCode.START_TIMEOUT), ANSWER_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    over = true;
    if (timer != null) {
      timer.cancel(false);
    }
    if (held != null) {
      held.removeAndFailAll(new ClosedChannelException());
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    Frame frame = (Frame) msg;
    if (over) {
      ctx.fireChannelRead(msg);
      return;
    }
    switch (frame.type()) {
      case STARTED:
        over = true;
        if (held != null) {
          held.removeAndWriteAll();
          ctx.flush();
        }
        ctx.pipeline().remove(this);
        owner.started();
        break;
      case FAILED:
        over = true;
        owner.refused(((Frame.Failed) frame).reason(), replayable);
        break;
      case PONG:
        if (!pongDue) {
          fail(ReasonCode.PROTOCOL);
        }
        pongDue = false;
        break;
      case RESET:
        fail(((Frame.Reset) frame).reason());
        break;
      default:
        ReferenceCountUtil.release(msg);
        fail(ReasonCode.PROTOCOL);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    fail(ReasonCode.AGENT_LOST);
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    fail(cause instanceof ProtocolException ? ReasonCode.PROTOCOL : ReasonCode.AGENT_LOST);
    ctx.fireExceptionCaught(cause);
  }

  @Override
  public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
    boolean reset = msg instanceof Frame.Reset;
    if (!reset) {
      replayable = false;
    }
    int length = msg instanceof Frame && !reset ? ((Frame) msg).payloadLength() : 0;
    if (over || (held == null && written + length <= RelayProtocol.MAX_EARLY_BYTES)) {
      written += length;
      ctx.write(msg, promise);
      return;
    }
    if (held == null) {
      held = new PendingWriteQueue(ctx);
    }
    held.add(msg, promise);
  }

  private void fail(ReasonCode reason) {
    if (!over) {
      over = true;
      owner.failed(reason, replayable);
    }
  }
}
