package io.c2crelay.client.data;

import io.c2crelay.client.connect.RelayConnector;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import java.nio.channels.ClosedChannelException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent's side of a data connection until READY: checks that the certificate is the one the
 * control connection was authenticated with, shows the token, checks the ack; then a {@link
 * WarmConnection} takes its place.
 */
final class DataHandshake extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(DataHandshake.class);

  private final DataDial dial;
  private final DataDialer dialer;
  private boolean tokenSent;
  private boolean over;

  DataHandshake(DataDial dial, DataDialer dialer) {
    this.dial = dial;
    this.dialer = dialer;
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    if (event instanceof SslHandshakeCompletionEvent) {
      SslHandshakeCompletionEvent handshake = (SslHandshakeCompletionEvent) event;
      if (!handshake.isSuccess()) {
        fail(ctx, handshake.cause());
      } else if (MessageDigest.isEqual(RelayConnector.bindingOf(ctx.channel()), dialer.binding())) {
        tokenSent = true;
        ctx.writeAndFlush(Frame.Claim.of(dial.ticket().token()));
      } else {
        log.warn(
            "data.impostor relay={} note=\"another certificate than the control connection's\"",
            Sockets.text(ctx.channel().remoteAddress()));
        fail(ctx, new GeneralSecurityException("wrong binding"));
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    boolean ready =
        tokenSent
            && msg instanceof Frame.Ready
            && ((Frame.Ready) msg).secret().equals(dial.ticket().ack());
    if (over) {
      ReferenceCountUtil.release(msg);
    } else if (ready) {
      over = true;
      ctx.pipeline().addLast("warm", new WarmConnection(dialer));
      ctx.pipeline().remove(this);
      dial.ready();
    } else {
      ReferenceCountUtil.release(msg);
      abort(ctx, String.valueOf(msg), new GeneralSecurityException("no READY"));
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    fail(ctx, new ClosedChannelException());
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(ctx, cause.getMessage(), cause);
    } else {
      fail(ctx, Sockets.rootOf(cause));
    }
  }

  private void abort(ChannelHandlerContext ctx, @Nullable String detail, Throwable cause) {
    if (!over) {
      log.warn(
          "data.aborted relay={} reason=PROTOCOL detail={}",
          Sockets.text(ctx.channel().remoteAddress()),
          LogText.value(detail));
      fail(ctx, cause);
    }
  }

  private void fail(ChannelHandlerContext ctx, @Nullable Throwable cause) {
    if (!over) {
      over = true;
      Sockets.reset(ctx.channel());
      dial.failed(cause);
    }
  }
}
