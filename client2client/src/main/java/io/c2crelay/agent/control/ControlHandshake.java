package io.c2crelay.agent.control;

import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.cli.ProgramVersion;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * The agent's side of the handshake on a control connection: waits for CHALLENGE, sends AUTH,
 * verifies WELCOME, within 10 s. Reports one outcome, and removes itself on success.
 */
final class ControlHandshake extends ChannelInboundHandlerAdapter {
  private static final long TIMEOUT_SECONDS = 10;

  /** Receives the outcome, on the connection's event loop. */
  interface Listener {
    /** The relay is authenticated; {@code channelBinding} is that of its certificate. */
    void authenticated(ChannelHandlerContext ctx, byte[] channelBinding);

    /** WELCOME carried a wrong proof: the peer does not have the key. */
    void impostor();

    /** The relay closed the connection after AUTH, as it does for a wrong key. */
    void refused();

    /** Any other failure; {@code cause} is null if the relay closed the connection. */
    void failed(@Nullable Throwable cause);
  }

  private final CompletableFuture<MutualAuth> mutualAuth;
  private final SecureRandom random;
  private final InstanceId instance;
  private final long epoch;
  private final ServiceName service;
  private final String label;
  private final String target;
  private final Listener listener;

  private byte[] channelBinding = new byte[0];
  private @Nullable MutualAuth proofs;
  private MutualAuth.@Nullable Transcript transcript;
  private boolean challenged;
  private boolean authSent;
  private boolean ended;
  private @Nullable Future<?> timeout;

  ControlHandshake(
      CompletableFuture<MutualAuth> mutualAuth,
      SecureRandom random,
      InstanceId instance,
      long epoch,
      ServiceName service,
      String label,
      String target,
      Listener listener) {
    this.mutualAuth = mutualAuth;
    this.random = random;
    this.instance = instance;
    this.epoch = epoch;
    this.service = service;
    this.label = label;
    this.target = target;
    this.listener = listener;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    timeout =
        ctx.executor()
            .schedule(
                () -> fail(ctx, new GeneralSecurityException("no WELCOME within 10 s")),
                TIMEOUT_SECONDS,
                TimeUnit.SECONDS);
    ctx.fireChannelActive();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    if (event instanceof SslHandshakeCompletionEvent) {
      SslHandshakeCompletionEvent handshake = (SslHandshakeCompletionEvent) event;
      if (handshake.isSuccess()) {
        channelBinding = RelayConnector.channelBinding(ctx.channel());
      } else {
        fail(ctx, Sockets.rootOf(handshake.cause()));
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (ended) {
      ReferenceCountUtil.release(msg);
    } else if (msg instanceof Frame.Challenge && !challenged) {
      challenged = true;
      Frame.Challenge challenge = (Frame.Challenge) msg;
      if (challenge.version() != RelayProtocol.HIGHEST_VERSION) {
        fail(ctx, unsupported("CHALLENGE version " + challenge.version()));
        return;
      }
      mutualAuth.whenComplete(
          (proofs, error) -> ctx.executor().execute(() -> sendAuth(ctx, challenge, proofs, error)));
    } else if (msg instanceof Frame.Welcome && authSent) {
      verify(ctx, (Frame.Welcome) msg);
    } else {
      ReferenceCountUtil.release(msg);
      fail(ctx, unsupported(String.valueOf(msg)));
    }
  }

  private void sendAuth(
      ChannelHandlerContext ctx,
      Frame.Challenge challenge,
      @Nullable MutualAuth proofs,
      @Nullable Throwable error) {
    if (ended) {
      return;
    }
    if (proofs == null) {
      fail(ctx, error);
      return;
    }
    byte[] nonce = new byte[Frame.Challenge.NONCE_LENGTH];
    random.nextBytes(nonce);
    Frame.Auth auth =
        Frame.Auth.of(nonce, instance, epoch, service, label)
            .withTargetDigest(proofs.digestOfTarget(target))
            .withProgramVersion(ProgramVersion.of(ControlHandshake.class));
    MutualAuth.Transcript observed =
        MutualAuth.Transcript.of(
            Preamble.of(Preamble.Kind.CONTROL), channelBinding, challenge, auth);
    this.proofs = proofs;
    transcript = observed;
    authSent = true;
    ctx.writeAndFlush(proofs.prove(observed, auth));
  }

  private void verify(ChannelHandlerContext ctx, Frame.Welcome welcome) {
    if (proofs == null || transcript == null || !proofs.verify(transcript, welcome)) {
      end();
      Sockets.reset(ctx.channel());
      listener.impostor();
    } else if (welcome.dataMode() != Frame.Welcome.DATA_UNDER_TLS) {
      fail(ctx, unsupported("WELCOME data mode " + welcome.dataMode()));
    } else {
      end();
      listener.authenticated(ctx, channelBinding);
      ctx.pipeline().remove(this);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    fail(ctx, null);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    fail(ctx, Sockets.rootOf(cause));
  }

  private void fail(ChannelHandlerContext ctx, @Nullable Throwable cause) {
    if (!ended) {
      end();
      Sockets.reset(ctx.channel());
      boolean connectionClosed =
          cause == null || (cause instanceof IOException && !(cause instanceof SSLException));
      if (authSent && connectionClosed) {
        listener.refused();
      } else {
        listener.failed(cause);
      }
    }
  }

  private static GeneralSecurityException unsupported(String what) {
    return new GeneralSecurityException("unexpected or unsupported frame: " + what);
  }

  private void end() {
    ended = true;
    if (timeout != null) {
      timeout.cancel(false);
    }
  }
}
