package io.c2crelay.server.session;

import io.c2crelay.common.splice.BufferBudget;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * The end of a user's pipeline until it has a session: holds what arrives, in order, and stops
 * reading at 64 KiB. A FIN after bytes waits behind them; without a byte it means that the user has
 * gone.
 */
final class WaitingHandler extends ChannelInboundHandlerAdapter {
  private static final int MAX_HELD = 64 * 1024;

  private final User user;
  private final BufferBudget budget;
  private final Deque<ByteBuf> held = new ArrayDeque<>(1);
  private int heldBytes;
  private boolean inputEnded;
  private @Nullable ChannelHandlerContext context;

  WaitingHandler(User user, BufferBudget budget) {
    this.user = user;
    this.budget = budget;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    ByteBuf bytes = (ByteBuf) msg;
    held.add(bytes);
    heldBytes += bytes.readableBytes();
    budget.add(bytes.readableBytes());
    if (heldBytes >= MAX_HELD) {
      ctx.channel().config().setAutoRead(false);
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (!(event instanceof ChannelInputShutdownEvent)) {
      return;
    }
    if (heldBytes == 0) {
      ctx.close();
    } else {
      inputEnded = true;
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    user.gone();
    ctx.pipeline().remove(this);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close(); // a reset, most likely: channelInactive follows
  }

  /** Passes all that was held to the handlers behind this one, and leaves the pipeline. */
  void handOver() {
    ChannelHandlerContext ctx = context;
    if (ctx == null || ctx.isRemoved()) {
      return;
    }
    boolean any = !held.isEmpty();
    while (!held.isEmpty()) {
      ctx.fireChannelRead(held.remove());
    }
    if (any) {
      ctx.fireChannelReadComplete();
    }
    if (inputEnded) {
      ctx.fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    }
    ctx.pipeline().remove(this);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    budget.add(-heldBytes);
    heldBytes = 0;
    while (!held.isEmpty()) {
      held.remove().release();
    }
  }
}
