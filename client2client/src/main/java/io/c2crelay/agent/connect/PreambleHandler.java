package io.c2crelay.agent.connect;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.VersionRefusal;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.util.List;

/**
 * Writes the preamble before all other bytes, then inspects the first byte received. If it is TLS,
 * this handler passes it on and removes itself; a version refusal or any other byte fails the
 * connection.
 */
final class PreambleHandler extends ByteToMessageDecoder {
  private static final int TLS_HANDSHAKE = 22;
  private static final int TLS_ALERT = 21;
  private static final int MAGIC_FIRST_BYTE = 0xC2;

  private final Preamble preamble;

  PreambleHandler(Preamble preamble) {
    this.preamble = preamble;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    ByteBuf bytes = ctx.alloc().buffer(Preamble.LENGTH);
    preamble.write(bytes);
    ctx.writeAndFlush(bytes);
    ctx.fireChannelActive();
  }

  /**
   * Drops the success event of the outer TLS ({@code tls-first}): the owner waits for the inner
   * one.
   */
  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    if (!(event instanceof SslHandshakeCompletionEvent)
        || !((SslHandshakeCompletionEvent) event).isSuccess()) {
      super.userEventTriggered(ctx, event);
    }
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
    int first = in.getUnsignedByte(in.readerIndex());
    if (first == TLS_HANDSHAKE || first == TLS_ALERT) {
      ctx.pipeline().remove(this); // passes on the buffered bytes
      return;
    }
    if (first != MAGIC_FIRST_BYTE) {
      in.skipBytes(in.readableBytes());
      throw new MisclassifiedException();
    }
    if (in.readableBytes() >= VersionRefusal.LENGTH) {
      VersionRefusal refusal = VersionRefusal.read(in);
      in.skipBytes(in.readableBytes());
      if (refusal == null) {
        throw new MisclassifiedException();
      }
      throw new VersionRefusedException(refusal);
    }
  }
}
