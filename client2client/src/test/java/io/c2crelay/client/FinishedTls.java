package io.c2crelay.client;

import io.c2crelay.common.tls.Identity;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.handler.ssl.SslHandler;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLEngine;

/**
 * In the place of a TLS handler whose handshake with a relay is done: passes on all there is as it
 * is, and knows the relay's certificate.
 */
public final class FinishedTls extends SslHandler {
  /** Engines live as long as the tests that share them. */
  private static final List<RelayEnd> KEPT = new CopyOnWriteArrayList<>();

  private FinishedTls(SSLEngine engine) {
    super(engine);
  }

  /** The engine of a handshake with a relay of this identity, for any number of handlers. */
  public static SSLEngine engine(Identity identity) {
    try {
      RelayEnd real = RelayEnd.ofControl(identity, new ChannelInboundHandlerAdapter());
      KEPT.add(real);
      return real.agent().pipeline().get(SslHandler.class).engine();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** A handler of its own for one channel. */
  public static FinishedTls of(SSLEngine engine) {
    return new FinishedTls(engine);
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {}

  @Override
  public void handlerRemoved0(ChannelHandlerContext ctx) {}

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    ctx.fireChannelActive();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    ctx.fireChannelInactive();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    ctx.fireChannelRead(msg);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    ctx.fireChannelReadComplete();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.fireExceptionCaught(cause);
  }

  @Override
  public void read(ChannelHandlerContext ctx) {
    ctx.read();
  }

  @Override
  public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
    ctx.write(msg, promise);
  }

  @Override
  public void flush(ChannelHandlerContext ctx) {
    ctx.flush();
  }

  @Override
  public void close(ChannelHandlerContext ctx, ChannelPromise promise) {
    ctx.close(promise);
  }
}
