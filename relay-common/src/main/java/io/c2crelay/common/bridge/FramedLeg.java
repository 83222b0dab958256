package io.c2crelay.common.bridge;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameType;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The data connection: DATA, EOF, RESET, DONE and PING (docs/protocol.md section 4). */
final class FramedLeg extends Leg {
  /**
   * How long the relay waits for the agent's DONE, which comes once the target has taken the last
   * byte. Then it closes the connection.
   */
  private static final long RELAY_AWAITS_DONE_SECONDS = 5;

  /** The relay closes first. An agent closes only after this time. */
  private static final long AGENT_AWAITS_DONE_SECONDS = TimeUnit.HOURS.toSeconds(1);

  private final BridgeSettings.Side side;
  private final long sessionId;

  /** The peer has sent DONE: no further frame may follow. */
  private boolean peerDone;

  /** Whether the connection can carry another session after this one. */
  private boolean kept;

  /** The session has ended at this end, which waits for the peer's DONE. */
  private @Nullable Future<?> doneTimeout;

  FramedLeg(Bridge bridge, Channel framed, BridgeSettings.Side side, long sessionId) {
    super(bridge, framed);
    this.side = side;
    this.sessionId = sessionId;
  }

  void attach() {
    channel.pipeline().addLast("framed-leg", this);
  }

  @Override
  ReasonCode lostReason() {
    return ReasonCode.AGENT_LOST;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    Frame frame = (Frame) msg;
    if (doneTimeout != null) {
      awaitDone(frame);
      return;
    }
    if (bridge.isOver()) {
      drop(frame);
      return;
    }
    if (peerDone) {
      ReferenceCountUtil.release(frame);
      bridge.abort(ReasonCode.PROTOCOL);
      return;
    }
    boolean ended = bridge.hasInputEnded(this);
    switch (frame.type()) {
      case DATA:
        if (ended) {
          ReferenceCountUtil.release(frame);
          bridge.abort(ReasonCode.PROTOCOL);
        } else {
          bridge.read(this, ((Frame.Data) frame).content());
        }
        break;
      case EOF:
        if (ended) {
          bridge.abort(ReasonCode.PROTOCOL);
        } else {
          bridge.inputEnded(this);
        }
        break;
      case RESET:
        bridge.lost(this, ((Frame.Reset) frame).reason());
        break;
      case DONE:
        peerDone = isDone(frame) && ended && bridge.hasOutputEnded(this);
        if (peerDone) {
          bridge.windDown();
        } else {
          bridge.abort(ReasonCode.PROTOCOL);
        }
        break;
      case PING: // needs no answer
        if (ended) {
          bridge.abort(ReasonCode.PROTOCOL);
        }
        break;
      default:
        bridge.abort(ReasonCode.PROTOCOL);
    }
  }

  private boolean isDone(Frame frame) {
    return frame.type() == FrameType.DONE && ((Frame.Done) frame).value() == sessionId;
  }

  /** Drops a frame that arrives after the end of the session. */
  private void drop(Frame frame) {
    ReferenceCountUtil.release(frame);
    if (frame.type() == FrameType.RESET) {
      Sockets.reset(channel); // the peer has aborted too and reads nothing more
    }
  }

  /** The session has ended at this end. Anything but the peer's DONE ends the connection. */
  private void awaitDone(Frame frame) {
    ReferenceCountUtil.release(frame);
    if (!channel.isOpen()) {
      return; // further frames of the same read
    }
    if (isDone(frame)) {
      free();
    } else if (frame.type() == FrameType.RESET) {
      Sockets.reset(channel);
    } else {
      violated(String.valueOf(frame));
    }
  }

  private void violated(@Nullable String detail) {
    Sockets.reset(channel);
    bridge.connectionViolated(detail);
  }

  private void free() {
    if (!kept) {
      channel.close();
      return;
    }
    channel.pipeline().remove(this);
    ReceiveBuffer.narrow(channel);
    bridge.connectionFree();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    if (doneTimeout != null) {
      doneTimeout.cancel(false);
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (doneTimeout != null && channel.isOpen() && cause instanceof ProtocolException) {
      violated(cause.getMessage());
    } else if (doneTimeout != null) {
      Sockets.reset(channel);
    } else if (cause instanceof ProtocolException) {
      bridge.abort(ReasonCode.PROTOCOL);
    } else {
      super.exceptionCaught(ctx, cause);
    }
  }

  @Override
  void write(ByteBuf bytes) {
    while (bytes.readableBytes() > RelayProtocol.MAX_DATA_PAYLOAD) {
      writeFrame(Frame.Data.of(bytes.readRetainedSlice(RelayProtocol.MAX_DATA_PAYLOAD)));
    }
    writeFrame(Frame.Data.of(bytes));
  }

  private void writeFrame(Frame frame) {
    bridge.timer().framedWrite();
    channel.write(frame).addListener(bridge.flowTo(this));
  }

  /**
   * Sends a PING, in case TCP keepalive does not get through. Sends none behind a stalled stream,
   * where PINGs would accumulate.
   */
  void ping() {
    if (!bridge.hasOutputEnded(this) && channel.isWritable()) {
      writeFrame(Frame.Ping.of(0));
      channel.flush();
    }
  }

  @Override
  void shutdownOutput() {
    channel
        .writeAndFlush(Frame.Eof.INSTANCE)
        .addListener(
            write -> {
              if (write.isSuccess()) {
                bridge.outputEnded(this);
              }
            });
  }

  @Override
  void writeFailed(Throwable cause) {
    bridge.lost(this, lostReason());
  }

  @Override
  void resetBehindData(ReasonCode reason) {
    channel.writeAndFlush(Frame.Reset.of(reason)).addListener(bridge.flowTo(this));
    channel.config().setAutoRead(true); // input is dropped until the peer closes
  }

  /**
   * Both directions have ended gracefully. If the connection is kept, sends DONE; it is free when
   * the peer has sent it too. Otherwise the relay closes it, and the agent after the relay's DONE:
   * a close with unread input could discard the agent's last bytes.
   */
  void done(boolean keep) {
    kept = keep;
    if (!channel.isActive()) {
      return;
    }
    if (keep) {
      channel.writeAndFlush(Frame.Done.of(sessionId));
    } else if (side == BridgeSettings.Side.RELAY) {
      channel.close();
      return;
    }
    if (peerDone) {
      free();
      return;
    }
    long seconds =
        side == BridgeSettings.Side.RELAY ? RELAY_AWAITS_DONE_SECONDS : AGENT_AWAITS_DONE_SECONDS;
    doneTimeout = channel.eventLoop().schedule(() -> channel.close(), seconds, TimeUnit.SECONDS);
    channel.config().setAutoRead(true);
  }

  @Override
  void abort(ReasonCode reason) {
    if (channel.isActive() && channel.isWritable()) {
      channel.writeAndFlush(Frame.Reset.of(reason));
    }
    Sockets.reset(channel);
  }
}
