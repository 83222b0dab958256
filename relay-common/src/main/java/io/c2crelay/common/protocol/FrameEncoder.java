package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;

/**
 * Encodes {@link Frame}s. The content of DATA is passed on without a copy. Other messages pass
 * unchanged.
 */
@Sharable
public final class FrameEncoder extends ChannelOutboundHandlerAdapter {
  public static final FrameEncoder INSTANCE = new FrameEncoder();

  private FrameEncoder() {}

  @Override
  public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
    if (!(msg instanceof Frame)) {
      ctx.write(msg, promise);
      return;
    }
    Frame frame = (Frame) msg;
    int length = frame.payloadLength();
    if (frame instanceof Frame.Data) {
      ctx.write(header(ctx, frame, length, 0));
      ctx.write(((Frame.Data) frame).content(), promise);
      return;
    }
    ByteBuf out = header(ctx, frame, length, length);
    frame.writePayload(out);
    ctx.write(out, promise);
  }

  private static ByteBuf header(ChannelHandlerContext ctx, Frame frame, int length, int capacity) {
    ByteBuf out = ctx.alloc().directBuffer(RelayProtocol.FRAME_HEADER_LENGTH + capacity);
    return out.writeByte(frame.type().code()).writeMedium(length);
  }
}
