package io.c2crelay.relay.agents;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.AuthRefusal;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import java.security.SecureRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The relay's side of the authentication on a control connection: CHALLENGE, AUTH, WELCOME
 * (docs/protocol.md, section 3). Every failure looks the same to the peer: no frame, then a reset
 * after 1 s. Removes itself once the agent is authenticated.
 */
final class ControlHandshake extends ChannelInboundHandlerAdapter {
  private static final long REFUSAL_DELAY_SECONDS = 1;

  interface Success {
    /** On the channel's event loop, after WELCOME is written. */
    void authenticated(Frame.Auth auth);
  }

  private enum State {
    /** The TLS handshake is in progress. */
    TLS,
    /** CHALLENGE is sent, AUTH is expected. */
    CHALLENGED,
    /** AUTH is received; the key may not be derived yet. */
    CHECKING,
    /** Authentication failed; the reset is scheduled. */
    REFUSED,
    /** Authenticated, or failed during the TLS handshake. */
    OVER
  }

  private final Preamble preamble;
  private final byte[] binding;
  private final CompletableFuture<MutualAuth> mutualAuth;
  private final AuthThrottle throttle;
  private final ClientNetwork network;
  private final Frame.Challenge challenge;
  private final RelayEvents events;
  private final Success success;
  private State state = State.TLS;

  ControlHandshake(
      Preamble preamble,
      byte[] binding,
      CompletableFuture<MutualAuth> mutualAuth,
      AuthThrottle throttle,
      ClientNetwork network,
      SecureRandom random,
      RelayEvents events,
      Success success) {
    this.preamble = preamble;
    this.binding = binding;
    this.mutualAuth = mutualAuth;
    this.throttle = throttle;
    this.network = network;
    this.events = events;
    this.success = success;
    byte[] nonce = new byte[Frame.Challenge.NONCE_LENGTH];
    random.nextBytes(nonce);
    challenge =
        Frame.Challenge.of(
            Math.min(preamble.highestVersion(), RelayProtocol.HIGHEST_VERSION), nonce);
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof SslHandshakeCompletionEvent && state == State.TLS) {
      if (((SslHandshakeCompletionEvent) event).isSuccess()) {
        state = State.CHALLENGED;
        ctx.writeAndFlush(challenge);
      } else {
        state = State.OVER;
        ctx.close();
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (state == State.CHALLENGED && msg instanceof Frame.Auth) {
      state = State.CHECKING;
      Frame.Auth auth = (Frame.Auth) msg;
      mutualAuth.whenComplete(
          (proofs, failure) -> ctx.executor().execute(() -> check(ctx, auth, proofs)));
      return;
    }
    ReferenceCountUtil.release(msg);
    if (state != State.REFUSED) {
      refuse(ctx, AuthRefusal.PROTOCOL);
    }
  }

  private void check(ChannelHandlerContext ctx, Frame.Auth auth, @Nullable MutualAuth proofs) {
    if (state != State.CHECKING || ctx.isRemoved()) {
      return;
    }
    long now = ctx.executor().ticker().nanoTime();
    if (proofs == null) {
      refuse(ctx, AuthRefusal.INTERNAL);
    } else if (!throttle.allows(network, auth.instance(), now)) {
      refuse(ctx, AuthRefusal.THROTTLED);
    } else {
      MutualAuth.Transcript transcript =
          MutualAuth.Transcript.of(preamble, binding, challenge, auth);
      if (proofs.holds(transcript, auth)) {
        throttle.recordSuccess(auth.instance(), now);
        state = State.OVER;
        ctx.writeAndFlush(proofs.welcome(transcript, Frame.Welcome.DATA_UNDER_TLS));
        success.authenticated(auth);
        ctx.pipeline().remove(this);
      } else {
        throttle.recordFailure(network, now);
        refuse(ctx, AuthRefusal.WRONG_KEY);
      }
    }
  }

  private void refuse(ChannelHandlerContext ctx, AuthRefusal reason) {
    state = State.REFUSED;
    events.authRefused(ctx.channel().remoteAddress(), reason);
    ctx.channel().config().setAutoRead(false);
    ctx.executor()
        .schedule(() -> Sockets.reset(ctx.channel()), REFUSAL_DELAY_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (state == State.CHALLENGED || state == State.CHECKING) {
      events.handshakeFailed(cause);
      refuse(ctx, AuthRefusal.PROTOCOL);
    } else if (state != State.REFUSED) {
      events.handshakeFailed(cause);
      state = State.OVER;
      ctx.close();
    }
  }
}
