package io.c2crelay.relay.auth;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents.AuthRefusal;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The relay's side of the authentication on a control connection: CHALLENGE, AUTH, WELCOME
 * (docs/protocol.md, section 3). Every failure looks the same to the peer: no frame, then a reset
 * after 1 s. Removes itself once the agent is authenticated.
 */
final class ControlHandshake extends ChannelInboundHandlerAdapter {
  private static final long REFUSAL_DELAY_SECONDS = 1;

  private enum State {
    /** The TLS handshake is in progress. */
    TLS,
    /** CHALLENGE is sent, AUTH is expected. */
    CHALLENGED,
    /** AUTH is received; the keys may not be derived yet. */
    CHECKING,
    /** Authentication failed; the reset is scheduled. */
    REFUSED,
    /** Authenticated, or failed during the TLS handshake. */
    OVER
  }

  private final Authenticator authenticator;
  private final Preamble preamble;
  private final ClientAddress client;
  private final Frame.Challenge challenge;
  private final Authenticator.Success success;
  private State state = State.TLS;

  ControlHandshake(
      Authenticator authenticator,
      Preamble preamble,
      ClientAddress client,
      byte[] nonce,
      Authenticator.Success success) {
    this.authenticator = authenticator;
    this.preamble = preamble;
    this.client = client;
    this.success = success;
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
      check(ctx, (Frame.Auth) msg);
      return;
    }
    ReferenceCountUtil.release(msg);
    if (state != State.REFUSED) {
      refuse(ctx, null, AuthRefusal.PROTOCOL);
    }
  }

  private void check(ChannelHandlerContext ctx, Frame.Auth auth) {
    if (!isAllowed(ctx, auth)) {
      refuse(ctx, auth, AuthRefusal.THROTTLED);
      return;
    }
    boolean known = authenticator.isKnown(auth.service());
    MutualAuth.Transcript transcript =
        MutualAuth.Transcript.of(preamble, authenticator.channelBinding(), challenge, auth);
    authenticator
        .keysOf(auth.service())
        .find(mutualAuth -> mutualAuth.verify(transcript, auth) && known)
        .whenComplete(
            (key, failure) ->
                ctx.executor()
                    .execute(
                        () -> {
                          if (state != State.CHECKING || ctx.isRemoved()) {
                            return;
                          }
                          if (failure != null) {
                            refuse(ctx, auth, AuthRefusal.INTERNAL);
                          } else {
                            checked(ctx, auth, transcript, key);
                          }
                        }));
  }

  /**
   * @param key the agent's key, if it is one of the service's
   */
  private void checked(
      ChannelHandlerContext ctx,
      Frame.Auth auth,
      MutualAuth.Transcript transcript,
      Optional<KeyRing.Entry> key) {
    if (!isAllowed(ctx, auth)) { // other attempts may have failed while the keys were derived
      refuse(ctx, auth, AuthRefusal.THROTTLED);
    } else if (key.isPresent()) {
      authenticator.throttle().recordSuccess(auth.instance(), key.get(), now(ctx));
      state = State.OVER;
      ctx.writeAndFlush(key.get().mutualAuth().welcome(transcript, Frame.Welcome.DATA_UNDER_TLS));
      success.authenticated(auth, key.get());
      ctx.pipeline().remove(this);
    } else {
      authenticator.throttle().recordFailure(client.network(), now(ctx));
      boolean known = authenticator.isKnown(auth.service());
      refuse(ctx, auth, known ? AuthRefusal.WRONG_KEY : AuthRefusal.UNKNOWN_SERVICE);
    }
  }

  private boolean isAllowed(ChannelHandlerContext ctx, Frame.Auth auth) {
    KeyRing keys = authenticator.keysOf(auth.service());
    return authenticator.throttle().allows(client.network(), auth.instance(), keys, now(ctx));
  }

  private static long now(ChannelHandlerContext ctx) {
    return ctx.executor().ticker().nanoTime();
  }

  private void refuse(ChannelHandlerContext ctx, Frame.@Nullable Auth auth, AuthRefusal reason) {
    state = State.REFUSED;
    ServiceName service = auth == null ? null : auth.service();
    authenticator.events().authRefused(client.remote(), service, reason);
    ctx.channel().config().setAutoRead(false);
    ctx.executor()
        .schedule(() -> Sockets.reset(ctx.channel()), REFUSAL_DELAY_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (state == State.CHALLENGED || state == State.CHECKING) {
      authenticator.events().handshakeFailed(cause);
      refuse(ctx, null, AuthRefusal.PROTOCOL);
    } else if (state != State.REFUSED) {
      authenticator.events().handshakeFailed(cause);
      state = State.OVER;
      ctx.close();
    }
  }
}
