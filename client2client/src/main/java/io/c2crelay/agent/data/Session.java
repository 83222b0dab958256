package io.c2crelay.agent.data;

import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.admin.LiveSession;
import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.SessionRates;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.common.transport.UnreadBytes;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A session on the agent. After START this handler connects to the target and holds early data, at
 * most 64 KiB. Then it bridges the data connection with the target, or answers FAILED. On the data
 * connection's event loop.
 */
final class Session extends ChannelInboundHandlerAdapter implements Bridge.Listener, LiveSession {
  private static final long CLOSE_DELAY_SECONDS = 1;

  private final Channel data;
  private final Frame.Start start;
  private final BridgeSettings settings;
  private final SessionTracker tracker;
  private final ServiceEvents events;
  private final ConnectionReturn returns;
  private final ChannelFutureListener closeListener = closed -> endIfDone();
  private @Nullable ByteBuf earlyData;
  private boolean earlyEof;
  private Frame.@Nullable Reset earlyReset;
  private @Nullable Future<? extends DuplexChannel> connecting;
  private volatile @Nullable Bridge bridge;
  private final long beganNanos;

  /** Whether the connect to the target has ended, or the session was aborted before. */
  private boolean finished;

  Session(
      Channel data,
      Frame.Start start,
      BridgeSettings settings,
      SessionTracker tracker,
      ServiceEvents events,
      ConnectionReturn returns) {
    this.data = data;
    this.start = start;
    this.settings = settings;
    this.tracker = tracker;
    this.events = events;
    this.returns = returns;
    beganNanos = data.eventLoop().ticker().nanoTime();
  }

  void begin(TargetDialer targetDialer) {
    data.closeFuture().addListener(closeListener);
    data.pipeline().addLast("target-dial", this);
    events.sessionOpened(this);
    Future<? extends DuplexChannel> dialled = targetDialer.connect(data.eventLoop(), start);
    connecting = dialled;
    dialled.addListener(done -> dialled(dialled));
  }

  private void dialled(Future<? extends DuplexChannel> done) {
    if (finished) {
      if (done.isSuccess()) {
        Sockets.reset(done.getNow());
      }
      return;
    }
    finished = true;
    if (!done.isSuccess()) {
      ReasonCode reason = TargetConnector.reasonOf(done.cause());
      events.sessionFailed(this, reason, done.cause());
      data.writeAndFlush(Frame.Failed.of(reason));
      // the relay resets at FAILED; closing now, with early data unread, could discard FAILED
      data.eventLoop().schedule(() -> data.close(), CLOSE_DELAY_SECONDS, TimeUnit.SECONDS);
    } else if (done.getNow().isActive()) {
      join(done.getNow());
    } else {
      deliver(done.getNow());
    }
  }

  private void join(DuplexChannel target) {
    Bridge joined =
        Bridge.join(target, data, start.sessionId(), settings, SessionRates.UNLIMITED, this);
    bridge = joined;
    data.writeAndFlush(Frame.Started.INSTANCE);
    passOnEarlyFrames(data.pipeline().context(this));
    joined.begin();
    data.pipeline().remove(this);
  }

  private void passOnEarlyFrames(ChannelHandlerContext ctx) {
    if (earlyData != null) {
      ctx.fireChannelRead(Frame.Data.of(earlyData));
      earlyData = null;
    }
    if (earlyEof) {
      ctx.fireChannelRead(Frame.Eof.INSTANCE);
    }
    if (earlyReset != null) {
      ctx.fireChannelRead(earlyReset);
    }
    ctx.fireChannelReadComplete();
  }

  /** The target reset the connection right after accepting it: delivers the bytes sent before. */
  private void deliver(DuplexChannel target) {
    ByteBuf bytes = UnreadBytes.take(target);
    data.writeAndFlush(Frame.Started.INSTANCE);
    bridge = Bridge.deliver(bytes, target, data, start.sessionId(), settings, this);
    data.pipeline().remove(this);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    Frame frame = (Frame) msg;
    if (finished || earlyReset != null) {
      ReferenceCountUtil.release(frame);
      return;
    }
    switch (frame.type()) {
      case DATA:
        hold(((Frame.Data) frame).content());
        break;
      case EOF:
        if (earlyEof) {
          abort(ReasonCode.PROTOCOL);
        }
        earlyEof = true;
        break;
      case RESET:
        if (earlyData == null) {
          giveUp(((Frame.Reset) frame).reason());
        } else {
          earlyReset = (Frame.Reset) frame; // the data is delivered to the target first
        }
        break;
      case PING:
        break; // requires no PONG
      default:
        ReferenceCountUtil.release(frame);
        abort(ReasonCode.PROTOCOL);
    }
  }

  private void hold(ByteBuf bytes) {
    ByteBuf first = earlyData == null ? Unpooled.EMPTY_BUFFER : earlyData;
    boolean allowed =
        !earlyEof && first.readableBytes() + bytes.readableBytes() <= RelayProtocol.MAX_EARLY_BYTES;
    if (allowed && bytes.isReadable()) {
      earlyData = ByteToMessageDecoder.MERGE_CUMULATOR.cumulate(data.alloc(), first, bytes);
    } else {
      bytes.release();
    }
    if (!allowed) {
      abort(ReasonCode.PROTOCOL);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    giveUp(ReasonCode.AGENT_LOST);
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(ReasonCode.PROTOCOL);
    } else {
      events.dataLost(cause);
      giveUp(ReasonCode.AGENT_LOST);
    }
  }

  /** Aborts the session at once; sends the relay the reason if possible. On any thread. */
  void abort(ReasonCode reason) {
    Bridge joined = bridge;
    if (!data.eventLoop().inEventLoop()) {
      data.eventLoop().execute(() -> abort(reason));
    } else if (joined != null && !joined.isEnded()) {
      joined.abort(reason);
    } else if (finished) {
      data.close(); // all is written, but the relay has not closed yet
    } else {
      if (data.isWritable()) {
        data.writeAndFlush(Frame.Reset.of(reason));
      }
      giveUp(reason);
    }
  }

  private void giveUp(ReasonCode reason) {
    if (!finished) {
      finished = true;
      events.sessionClosed(this, reason, 0);
      if (connecting != null) {
        connecting.cancel(false);
      }
      Sockets.reset(data);
    }
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    if (earlyData != null) {
      earlyData.release();
      earlyData = null;
    }
  }

  @Override
  public void answered() {
    events.sessionAnswered(this);
  }

  @Override
  public void ended(Bridge ended, ReasonCode reason) {
    bridge = ended; // it may end before the field is assigned
    events.sessionClosed(this, reason, ended.deliveredBytes());
    endIfDone();
  }

  @Override
  public boolean keepsConnection() {
    return returns.isOpen();
  }

  @Override
  public void connectionFree() {
    returns.takeBack(data);
    if (returns.isOpen()) {
      data.closeFuture().removeListener(closeListener);
      tracker.ended(this);
    } // else at the close: the agent must not stop before a START that is right behind DONE
  }

  @Override
  public void connectionViolated(@Nullable String detail) {
    events.dataAborted(data.remoteAddress(), detail);
  }

  private void endIfDone() {
    Bridge joined = bridge;
    if (!data.isOpen() && (joined == null || joined.isEnded())) {
      tracker.ended(this);
    }
  }

  // --- for the log and the status, on any thread ---

  @Override
  public long id() {
    return start.sessionId();
  }

  @Override
  public ServiceName service() {
    return events.service();
  }

  @Override
  public InetSocketAddress user() {
    return start.user();
  }

  @Override
  public String peer() {
    return events.relay();
  }

  @Override
  public long ageNanos() {
    return data.eventLoop().ticker().nanoTime() - beganNanos;
  }

  @Override
  public long upBytes() {
    Bridge joined = bridge;
    return joined == null ? 0 : joined.framedBytes();
  }

  @Override
  public long downBytes() {
    Bridge joined = bridge;
    return joined == null ? 0 : joined.rawBytes();
  }
}
