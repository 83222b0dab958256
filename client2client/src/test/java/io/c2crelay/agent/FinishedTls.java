package io.c2crelay.agent;

import io.c2crelay.common.tls.Identity;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.handler.ssl.SslHandler;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLEngine;

/**
 * Replaces an {@link SslHandler} whose handshake with a relay is complete: passes everything on
 * unchanged, and has a TLS session with the relay's certificate.
 */
public final class FinishedTls extends SslHandler {
  private static final List<RelayEnd> CONNECTIONS = new CopyOnWriteArrayList<>();

  private FinishedTls(SSLEngine engine) {
    super(engine);
  }

  /** An engine after a handshake with a relay of this identity, for any number of handlers. */
  public static SSLEngine engine(Identity identity) {
    try {
      RelayEnd connection = RelayEnd.ofControl(identity, new ChannelInboundHandlerAdapter());
      CONNECTIONS.add(connection);
      return connection.agent().pipeline().get(SslHandler.class).engine();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** A handler for one channel. */
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
