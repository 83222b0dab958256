package io.c2crelay.agent.data;

import io.c2crelay.agent.connect.RelayConnector;
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

/**
 * The agent's side of a data connection until READY: verifies that the certificate is the control
 * connection's, sends CLAIM, verifies the ack, then replaces itself with a {@link WarmConnection}.
 */
final class DataHandshake extends ChannelInboundHandlerAdapter {
  private final DataDial dial;
  private final DataDialer dialer;
  private boolean claimSent;
  private boolean ended;

  DataHandshake(DataDial dial, DataDialer dialer) {
    this.dial = dial;
    this.dialer = dialer;
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    if (event instanceof SslHandshakeCompletionEvent) {
      SslHandshakeCompletionEvent handshake = (SslHandshakeCompletionEvent) event;
      if (!handshake.isSuccess()) {
        fail(ctx, Sockets.rootOf(handshake.cause()));
      } else if (MessageDigest.isEqual(
          RelayConnector.channelBinding(ctx.channel()), dialer.channelBinding())) {
        claimSent = true;
        ctx.writeAndFlush(Frame.Claim.of(dial.dialRequest().token()));
      } else {
        dialer.events().dataImpostor(ctx.channel().remoteAddress());
        fail(ctx, new GeneralSecurityException("channel binding mismatch"));
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    boolean ready =
        claimSent
            && msg instanceof Frame.Ready
            && ((Frame.Ready) msg).secret().equals(dial.dialRequest().ack());
    if (ended) {
      ReferenceCountUtil.release(msg);
    } else if (ready) {
      ended = true;
      WarmConnection.addTo(ctx.channel(), dialer);
      ctx.pipeline().remove(this);
      dial.ready();
    } else {
      ReferenceCountUtil.release(msg);
      abort(ctx, String.valueOf(msg), new GeneralSecurityException("expected READY"));
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
    if (!ended) {
      dialer.events().dataAborted(ctx.channel().remoteAddress(), detail);
      fail(ctx, cause);
    }
  }

  private void fail(ChannelHandlerContext ctx, @Nullable Throwable cause) {
    if (!ended) {
      ended = true;
      Sockets.reset(ctx.channel());
      dial.failed(cause);
    }
  }
}
