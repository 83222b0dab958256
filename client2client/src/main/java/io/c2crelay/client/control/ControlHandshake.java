package io.c2crelay.client.control;

import io.c2crelay.client.connect.RelayConnector;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.RelayProtocol;
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
 * The agent's side of the handshake on a control connection: waits for CHALLENGE, answers AUTH,
 * checks WELCOME; 10 s for all. Tells its outcome once, and leaves the pipeline if it is good.
 */
final class ControlHandshake extends ChannelInboundHandlerAdapter {
  private static final long LIMIT_SECONDS = 10;

  /** How a handshake ended. All on the connection's loop. */
  interface Outcome {
    /** The relay has proven itself; {@code binding} is its certificate's. */
    void authenticated(ChannelHandlerContext ctx, byte[] binding);

    /** WELCOME carried a wrong proof: whoever answers has no key. */
    void impostor();

    /**
     * The relay has seen the agent's proof and ended the connection without a word, as it does when
     * it refuses the key.
     */
    void refused();

    /** The connection ended before that, or the relay broke the protocol. */
    void failed(@Nullable Throwable cause);
  }

  private final CompletableFuture<MutualAuth> mutualAuth;
  private final SecureRandom random;
  private final InstanceId instance;
  private final long epoch;
  private final String label;
  private final String target;
  private final Outcome outcome;

  private byte[] binding = new byte[0];
  private @Nullable MutualAuth proofs;
  private MutualAuth.@Nullable Transcript transcript;
  private boolean challenged;
  private boolean authSent;
  private boolean over;
  private @Nullable Future<?> limit;

  ControlHandshake(
      CompletableFuture<MutualAuth> mutualAuth,
      SecureRandom random,
      InstanceId instance,
      long epoch,
      String label,
      String target,
      Outcome outcome) {
    this.mutualAuth = mutualAuth;
    this.random = random;
    this.instance = instance;
    this.epoch = epoch;
    this.label = label;
    this.target = target;
    this.outcome = outcome;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    limit =
        ctx.executor()
            .schedule(
                () -> fail(ctx, new GeneralSecurityException("no WELCOME in 10 s")),
                LIMIT_SECONDS,
                TimeUnit.SECONDS);
    ctx.fireChannelActive();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    if (event instanceof SslHandshakeCompletionEvent) {
      SslHandshakeCompletionEvent handshake = (SslHandshakeCompletionEvent) event;
      if (handshake.isSuccess()) {
        binding = RelayConnector.bindingOf(ctx.channel());
      } else {
        fail(ctx, handshake.cause());
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (over) {
      ReferenceCountUtil.release(msg);
    } else if (msg instanceof Frame.Challenge && !challenged) {
      challenged = true;
      Frame.Challenge challenge = (Frame.Challenge) msg;
      if (challenge.version() != RelayProtocol.HIGHEST_VERSION) {
        fail(ctx, unacceptable("CHALLENGE of version " + challenge.version()));
        return;
      }
      mutualAuth.whenComplete(
          (proofs, fault) -> ctx.executor().execute(() -> answer(ctx, challenge, proofs, fault)));
    } else if (msg instanceof Frame.Welcome && authSent) {
      check(ctx, (Frame.Welcome) msg);
    } else {
      ReferenceCountUtil.release(msg);
      fail(ctx, unacceptable(String.valueOf(msg)));
    }
  }

  private void answer(
      ChannelHandlerContext ctx,
      Frame.Challenge challenge,
      @Nullable MutualAuth proofs,
      @Nullable Throwable fault) {
    if (over) {
      return;
    }
    if (proofs == null) {
      fail(ctx, fault);
      return;
    }
    byte[] nonce = new byte[Frame.Challenge.NONCE_LENGTH];
    random.nextBytes(nonce);
    Frame.Auth auth =
        Frame.Auth.of(nonce, instance, epoch, label)
            .withTargetDigest(proofs.digestOfTarget(target));
    MutualAuth.Transcript seen =
        MutualAuth.Transcript.of(Preamble.of(Preamble.Kind.CONTROL), binding, challenge, auth);
    this.proofs = proofs;
    transcript = seen;
    authSent = true;
    ctx.writeAndFlush(proofs.prove(seen, auth));
  }

  private void check(ChannelHandlerContext ctx, Frame.Welcome welcome) {
    if (proofs == null || transcript == null || !proofs.holds(transcript, welcome)) {
      end();
      Sockets.reset(ctx.channel());
      outcome.impostor();
    } else if (welcome.dataMode() != Frame.Welcome.DATA_UNDER_TLS) {
      fail(ctx, unacceptable("WELCOME of data mode " + welcome.dataMode()));
    } else {
      end();
      outcome.authenticated(ctx, binding);
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
    if (!over) {
      end();
      Sockets.reset(ctx.channel());
      boolean withoutAWord =
          cause == null || (cause instanceof IOException && !(cause instanceof SSLException));
      if (authSent && withoutAWord) {
        outcome.refused();
      } else {
        outcome.failed(cause);
      }
    }
  }

  private static GeneralSecurityException unacceptable(String what) {
    return new GeneralSecurityException("the relay sent what this version cannot accept: " + what);
  }

  private void end() {
    over = true;
    if (limit != null) {
      limit.cancel(false);
    }
  }
}
