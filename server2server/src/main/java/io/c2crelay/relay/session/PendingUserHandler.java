package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.transport.ConnectionError;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.ByteToMessageDecoder;
import org.jspecify.annotations.Nullable;

/**
 * The last handler of a user's pipeline until the user has a session. Holds the received bytes in
 * one buffer, and stops reading at 64 KiB or when the buffer budget is exhausted. Delivers a FIN
 * after the held bytes; a FIN without bytes means that the user has left.
 */
final class PendingUserHandler extends ChannelInboundHandlerAdapter {
  private static final int MAX_HELD = 64 * 1024;

  private final UserConnection user;
  private final BufferBudget budget;
  private @Nullable ByteBuf held;
  private int counted;
  private boolean inputEnded;
  private @Nullable ChannelHandlerContext context;

  PendingUserHandler(UserConnection user, BufferBudget budget) {
    this.user = user;
    this.budget = budget;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    // one buffer: a single byte would retain the whole buffer it was received in
    ByteBuf first = held == null ? Unpooled.EMPTY_BUFFER : held;
    held = ByteToMessageDecoder.MERGE_CUMULATOR.cumulate(ctx.alloc(), first, (ByteBuf) msg);
    count(held.capacity());
    if (isFull()) {
      ctx.channel().config().setAutoRead(false);
    }
  }

  private boolean isFull() {
    return held != null && (held.readableBytes() >= MAX_HELD || budget.isExhausted());
  }

  private void count(int bytes) {
    budget.add(bytes - counted);
    counted = bytes;
  }

  /** Resumes reading after the channel was moved for a session that did not begin. */
  void resume() {
    if (context != null && !isFull()) {
      context.channel().config().setAutoRead(true);
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ConnectionError) {
      user.wasReset();
    }
    if (!(event instanceof ChannelInputShutdownEvent)) {
      return;
    }
    if (held == null) {
      Sockets.resetOnClose(ctx.channel(), false); // no bytes are lost
      ctx.close();
    } else {
      inputEnded = true;
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    ByteBuf bytes = held;
    held = null;
    user.gone(bytes);
    ctx.pipeline().remove(this);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close(); // a reset, most likely: channelInactive follows
  }

  /** Forwards everything held to the next handler, and removes this handler. */
  void handOver() {
    ChannelHandlerContext ctx = context;
    if (ctx == null || ctx.isRemoved()) {
      return;
    }
    ByteBuf bytes = held;
    held = null;
    if (bytes != null) {
      ctx.fireChannelRead(bytes);
      ctx.fireChannelReadComplete();
    }
    if (inputEnded) {
      ctx.fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    }
    ctx.pipeline().remove(this);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    count(0);
    if (held != null) {
      held.release();
      held = null;
    }
  }
}
