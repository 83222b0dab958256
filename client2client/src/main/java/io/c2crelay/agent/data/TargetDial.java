package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.UnreadBytes;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A data connection between START and its answer: connects to the target and holds early data, at
 * most 64 KiB. Then it bridges the connection with the target, or answers FAILED.
 */
final class TargetDial extends ChannelInboundHandlerAdapter implements Bridge.Listener {
  private static final long CLOSE_DELAY_SECONDS = 1;

  /** Bounds the memory of early frames, which may be empty. */
  private static final int MAX_HELD_FRAMES = 4096;

  private final Frame.Start start;
  private final BridgeSettings settings;
  private final SessionTracker tracker;
  private final ServiceEvents events;
  private final Deque<Frame> held = new ArrayDeque<>(1);
  private int heldBytes;
  private @Nullable ChannelHandlerContext context;
  private @Nullable Future<? extends DuplexChannel> connecting;
  private boolean finished;

  TargetDial(
      Frame.Start start, BridgeSettings settings, SessionTracker tracker, ServiceEvents events) {
    this.start = start;
    this.settings = settings;
    this.tracker = tracker;
    this.events = events;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
  }

  void connect(TargetDialer targetDialer) {
    events.sessionOpened(start.sessionId(), start.user());
    ChannelHandlerContext ctx = requireNonNull(context);
    Future<? extends DuplexChannel> dialled = targetDialer.dial(ctx.channel().eventLoop());
    connecting = dialled;
    dialled.addListener(done -> dialled(ctx, dialled));
  }

  private void dialled(ChannelHandlerContext ctx, Future<? extends DuplexChannel> done) {
    if (finished) {
      if (done.isSuccess()) {
        Sockets.reset(done.getNow());
      }
      return;
    }
    finished = true;
    if (done.isSuccess()) {
      if (done.getNow().isActive()) {
        join(ctx, done.getNow());
      } else {
        deliver(ctx, done.getNow());
      }
      return;
    }
    ReasonCode reason = TargetConnector.reasonOf(done.cause());
    events.sessionFailed(start.sessionId(), reason, done.cause());
    ctx.writeAndFlush(Frame.Failed.of(reason));
    // the relay resets at FAILED; closing now, with early data unread, could discard FAILED
    ctx.executor().schedule(() -> ctx.channel().close(), CLOSE_DELAY_SECONDS, TimeUnit.SECONDS);
  }

  private void join(ChannelHandlerContext ctx, DuplexChannel target) {
    Channel data = ctx.channel();
    Bridge bridge = Bridge.join(target, data, start.sessionId(), settings, this);
    tracker.joined(data, bridge);
    ctx.writeAndFlush(Frame.Started.INSTANCE);
    while (!held.isEmpty()) {
      ctx.fireChannelRead(held.remove());
    }
    ctx.fireChannelReadComplete();
    bridge.begin();
    ctx.pipeline().remove(this);
  }

  /** The target reset the connection at once: delivers what it sent before. */
  private void deliver(ChannelHandlerContext ctx, DuplexChannel target) {
    ByteBuf bytes = UnreadBytes.take(target);
    Channel data = ctx.channel();
    ctx.writeAndFlush(Frame.Started.INSTANCE);
    tracker.joined(data, Bridge.deliver(bytes, target, data, start.sessionId(), settings, this));
    ctx.pipeline().remove(this);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (finished) {
      ReferenceCountUtil.release(msg);
      return;
    }
    Frame frame = (Frame) msg;
    if (frame instanceof Frame.Ping) {
      return; // no answer is due
    }
    if (frame instanceof Frame.Reset && heldBytes == 0) {
      giveUp(ctx, ((Frame.Reset) frame).reason()); // else the target gets the data first
      return;
    }
    held.add(frame);
    boolean expected =
        frame instanceof Frame.Data || frame instanceof Frame.Eof || frame instanceof Frame.Reset;
    if (frame instanceof Frame.Data) {
      heldBytes += frame.payloadLength();
    }
    if (held.size() > MAX_HELD_FRAMES || !expected || heldBytes > RelayProtocol.MAX_EARLY_BYTES) {
      giveUp(ctx, ReasonCode.PROTOCOL);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    giveUp(ctx, ReasonCode.AGENT_LOST);
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      giveUp(ctx, ReasonCode.PROTOCOL);
    } else {
      events.dataLost(cause);
      giveUp(ctx, ReasonCode.AGENT_LOST);
    }
  }

  private void giveUp(ChannelHandlerContext ctx, ReasonCode reason) {
    if (!finished) {
      finished = true;
      events.sessionClosed(start.sessionId(), reason, 0, 0);
      if (connecting != null) {
        connecting.cancel(false);
      }
      if (reason == ReasonCode.PROTOCOL && ctx.channel().isWritable()) {
        ctx.writeAndFlush(Frame.Reset.of(reason));
      }
      Sockets.reset(ctx.channel());
    }
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    held.forEach(ReferenceCountUtil::release);
    held.clear();
  }

  /** Logs the end of the bridge: {@code up} counts bytes delivered to the target. */
  @Override
  public void ended(Bridge bridge, ReasonCode reason) {
    events.sessionClosed(start.sessionId(), reason, bridge.deliveredBytes(), bridge.rawBytes());
    tracker.removeIfEnded(requireNonNull(context).channel());
  }
}
