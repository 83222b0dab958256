package io.c2crelay.relay.auth;

import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.HandshakeLimit;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Bounds an unauthenticated connection that sent the magic: 10 s, 16 KiB read, and a limit on the
 * number of such connections. First in the pipeline until {@link #admitted}.
 */
public final class HandshakeGuard extends ChannelInboundHandlerAdapter {
  private static final long TIMEOUT_SECONDS = 10;
  private static final int MAX_BYTES = 16 * 1024;

  /** {@link #MAX_BYTES} of an agent that begins with TLS, with that handshake and its records. */
  private static final int MAX_OUTER_BYTES = 24 * 1024;

  /** The limit for networks without an attached agent. */
  public static ConnectionLimit<HandshakeGuard> newLimit() {
    return ConnectionLimit.of(256, 64);
  }

  /**
   * The limit for networks with an attached agent. It is separate so that other peers cannot
   * displace the agent's dials, of which up to 64 are in handshake.
   */
  public static ConnectionLimit<HandshakeGuard> newAgentNetworkLimit() {
    return ConnectionLimit.of(1024, 512);
  }

  private final Channel channel;
  private final ClientAddress client;
  private final ConnectionLimit<HandshakeGuard> limit;
  private final RelayEvents events;
  private @Nullable Future<?> timer;
  private int bytes;
  private @Nullable Runnable onFirstBytes;
  private @Nullable OuterGuard outerGuard;
  private boolean ended;

  /** Creates a guard for a connection that sent the magic, counted in {@code limit}. */
  public HandshakeGuard(
      Channel channel,
      ClientAddress client,
      ConnectionLimit<HandshakeGuard> limit,
      RelayEvents events) {
    this.channel = channel;
    this.client = client;
    this.limit = limit;
    this.events = events;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    timer =
        ctx.executor().schedule(() -> drop(HandshakeLimit.TIME), TIMEOUT_SECONDS, TimeUnit.SECONDS);
    HandshakeGuard oldest = limit.enter(client.network(), this);
    if (oldest != null) {
      Sockets.run(oldest.channel, () -> oldest.drop(HandshakeLimit.LIMIT));
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    bytes += ((ByteBuf) msg).readableBytes();
    if (isDropped(bytes, MAX_BYTES, msg)) {
      return;
    }
    Runnable first = onFirstBytes;
    if (first != null && !addHandlers(first)) {
      ((ByteBuf) msg).release();
    } else {
      ctx.fireChannelRead(msg);
    }
  }

  /**
   * Limits the bytes of an agent that begins with TLS, before that TLS: the guard, which is behind
   * it, counts only what is inside.
   */
  private final class OuterGuard extends ChannelInboundHandlerAdapter {
    private int outerBytes;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      outerBytes += ((ByteBuf) msg).readableBytes();
      if (!isDropped(outerBytes, MAX_OUTER_BYTES, msg)) {
        ctx.fireChannelRead(msg);
      }
    }
  }

  /** Returns a handler to be placed before the TLS that the agent begins with. */
  public ChannelInboundHandlerAdapter newOuterGuard() {
    OuterGuard outer = new OuterGuard();
    outerGuard = outer;
    return outer;
  }

  /** Releases the message and drops the connection if it has sent too many bytes. */
  private boolean isDropped(int total, int max, Object msg) {
    if (total <= max) {
      return false;
    }
    ((ByteBuf) msg).release();
    drop(HandshakeLimit.BYTES);
    return true;
  }

  /** Creating a TLS engine may fail for lack of memory. */
  private boolean addHandlers(Runnable first) {
    onFirstBytes = null;
    try {
      first.run();
      return true;
    } catch (RuntimeException e) {
      events.handshakeFailed(e);
      Sockets.reset(channel);
      return false;
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (onFirstBytes == null) {
      ctx.fireExceptionCaught(cause);
    } else {
      ctx.close(); // no handler behind this one yet
    }
  }

  /**
   * Sets the action for the first bytes after the preamble; it adds the handlers that receive them.
   */
  public void onFirstBytes(Runnable action) {
    onFirstBytes = action;
  }

  /** Removes the bounds: the connection is authenticated. On the channel's loop. */
  public void admitted() {
    if (!ended) {
      if (outerGuard != null) {
        channel.pipeline().remove(outerGuard);
      }
      channel.pipeline().remove(this);
    }
  }

  private void drop(HandshakeLimit reason) {
    if (!ended) {
      events.handshakeDropped(client.remote(), reason);
      Sockets.reset(channel);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    leave();
    ctx.fireChannelInactive();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    leave();
  }

  private void leave() {
    ended = true;
    if (timer != null) {
      timer.cancel(false);
    }
    limit.leave(client.network(), this);
  }
}
