package io.c2crelay.common.bridge;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameType;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.transport.NioProbe;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One session: a raw leg (user or target) and a framed leg (the data connection), joined on one
 * event loop. Bytes of the raw leg go out as DATA, its FIN as EOF; DATA comes back as bytes, EOF as
 * a FIN. The session is done when both directions are; any other end is an abort.
 *
 * <p>Where a leg ends first, what was read from it is delivered before the other leg is reset:
 *
 * <ul>
 *   <li>The raw leg was reset: RESET goes out behind its last DATA; what comes back is dropped
 *       until the peer closes the framed leg, as it does at RESET.
 *   <li>A write to the raw leg failed: it was reset, but what the kernel has received from it is
 *       read first.
 *   <li>RESET was read, or the framed leg was lost: the raw leg is reset once its peer has all the
 *       bytes ({@link DelayedReset}).
 * </ul>
 *
 * <p>All of it is bounded by 30 s from the first sign of the end. An {@link #abort} from this side
 * ends both legs at once.
 *
 * <p>All methods run on that loop.
 */
public final class Bridge {
  /** Hears of the session's end. */
  public interface Listener {
    /**
     * The session ended; called once.
     *
     * @param reason {@link ReasonCode#DONE} after both directions closed in order
     */
    void ended(Bridge bridge, ReasonCode reason);
  }

  /**
   * After both EOFs the relay closes first; an agent that waits longer than this closes by itself.
   */
  private static final long FAREWELL_HOURS = 1;

  private static final long ABORT_LIMIT_SECONDS = 30;

  /** Payloads below this, in bytes, are copied out of the buffer they came in. */
  private static final int SMALL = 512;

  private final DuplexChannel raw;
  private final Channel framed;
  private final BridgeSettings settings;
  private final Listener listener;
  private final RawLeg rawLeg;
  private final FramedLeg framedLeg;
  private final Backpressure toFramed;
  private final Backpressure toRaw;
  private final SessionTimer idleWatch;

  /** The raw leg's FIN was read; EOF is written or on its way. */
  private boolean rawEof;

  /** EOF is handed to the kernel. */
  private boolean eofSent;

  /** The peer's EOF was read; the raw leg's output is shut down or about to be. */
  private boolean framedEof;

  /** The raw leg's output is shut down. */
  private boolean outputShut;

  /** The peer closed the framed leg in order: what is left is for the raw leg. */
  private boolean framedGone;

  /**
   * A write to the raw leg failed, so it was reset; what it sent before is read, and DATA dropped.
   */
  private boolean rawOutputLost;

  /** That reset came behind a FIN, or its place is still to be read: an end of input is a FIN. */
  private boolean rawFinIsCertain = true;

  /** Why the session is being aborted; null as long as it is not. */
  private @Nullable ReasonCode abortReason;

  /** Runs from the first sign that the session will be aborted. */
  private @Nullable Future<?> abortLimit;

  private @Nullable DelayedReset rawReset;

  private boolean ended;
  private long rawBytes;
  private long deliveredBytes;

  private Bridge(DuplexChannel raw, Channel framed, BridgeSettings settings, Listener listener) {
    this.raw = raw;
    this.framed = framed;
    this.settings = settings;
    this.listener = listener;
    rawLeg = new RawLeg(this);
    framedLeg = new FramedLeg(this);
    toFramed = new Backpressure(raw, framed, settings.budget(), cause -> framedFailed());
    toRaw = new Backpressure(framed, raw, settings.budget(), this::rawWriteFailed);
    idleWatch = new SessionTimer(this, settings, NioProbe.isNio(raw));
  }

  /**
   * Joins two legs that are on the caller's event loop: adds a handler at the end of each pipeline,
   * which must pass on all they hold, and begins to read.
   */
  public static Bridge join(
      DuplexChannel raw, Channel framed, BridgeSettings settings, Listener listener) {
    Bridge bridge = new Bridge(raw, framed, settings, requireNonNull(listener, "listener"));
    Sockets.resetOnClose(raw, true); // until it is done, whatever ends this process
    raw.config().setAutoClose(false); // a failed write must not end the reading
    raw.pipeline().addLast("raw-leg", bridge.rawLeg);
    framed.pipeline().addLast("framed-leg", bridge.framedLeg);
    return bridge;
  }

  /**
   * Delivers what a user has sent who was reset before the session began; takes over {@code bytes}.
   */
  public static Bridge deliver(
      ByteBuf bytes,
      DuplexChannel gone,
      Channel framed,
      BridgeSettings settings,
      Listener listener) {
    Bridge bridge = new Bridge(gone, framed, settings, requireNonNull(listener, "listener"));
    framed.pipeline().addLast("framed-leg", bridge.framedLeg);
    ReceiveBuffer.widen(framed, settings.budget()::share);
    bridge.idleWatch.start(framed.eventLoop());
    bridge.toFramed.sourceEnded();
    bridge.rawRead(bytes);
    bridge.rawGone();
    return bridge;
  }

  /** Begins to read both legs. */
  public void begin() {
    if (abortReason != null) {
      return;
    }
    ReceiveBuffer.widen(raw, settings.budget()::share);
    ReceiveBuffer.widen(framed, settings.budget()::share);
    idleWatch.start(framed.eventLoop());
    updateFlow();
  }

  /** Bytes read from the raw leg so far. */
  public long rawBytes() {
    return rawBytes;
  }

  /** Bytes delivered to the raw leg so far: as far as is known, its peer has them. */
  public long deliveredBytes() {
    return deliveredBytes;
  }

  /** Whether the session has ended: nothing of it is under way any more. */
  public boolean isEnded() {
    return ended;
  }

  // --- raw leg to framed leg ---

  void rawRead(ByteBuf bytes) {
    if (isOver() || rawEof) {
      bytes.release();
      return;
    }
    rawBytes += bytes.readableBytes();
    idleWatch.traffic();
    while (bytes.readableBytes() > RelayProtocol.MAX_DATA_PAYLOAD) {
      writeFrame(Frame.Data.of(bytes.readRetainedSlice(RelayProtocol.MAX_DATA_PAYLOAD)));
    }
    writeFrame(Frame.Data.of(bytes));
  }

  void rawReadComplete() {
    if (!isOver()) {
      framed.flush();
      toFramed.update();
      abandonIfUnwatched();
    }
  }

  void rawInputEnded() {
    if (isOver() || rawEof) {
      return;
    }
    if (!rawFinIsCertain) {
      rawGone();
      return;
    }
    rawEof = true;
    idleWatch.halfClosed();
    framed
        .writeAndFlush(Frame.Eof.INSTANCE)
        .addListener(
            write -> {
              eofSent = write.isSuccess();
              endIfDone();
            });
    if (rawOutputLost) {
      rawGone();
    }
  }

  private void writeFrame(Frame frame) {
    idleWatch.framedWrite();
    framed.write(frame).addListener(toFramed);
  }

  /**
   * Tells the peer that this end lives, where TCP's own keep-alive may not get through; not behind
   * a stalled stream, where they would gather for as long as it lasts, and TCP sees to it.
   */
  void ping() {
    if (!rawEof && framed.isWritable()) {
      writeFrame(Frame.Ping.of(0));
      framed.flush();
    }
  }

  // --- framed leg to raw leg ---

  void framedRead(Frame frame) {
    if (isOver()) {
      dropFrame(frame);
      return;
    }
    switch (frame.type()) {
      case DATA:
        dataRead(((Frame.Data) frame).content());
        break;
      case EOF:
        eofRead();
        break;
      case RESET:
        framedLost(((Frame.Reset) frame).reason());
        break;
      case PING: // a sign of life; no answer is due
        if (framedEof) {
          abort(ReasonCode.PROTOCOL);
        }
        break;
      default:
        abort(ReasonCode.PROTOCOL);
    }
  }

  /** What the peer had under way when the raw leg ended, until it closes. */
  private void dropFrame(Frame frame) {
    ReferenceCountUtil.release(frame);
    if (frame.type() == FrameType.RESET) {
      Sockets.reset(framed); // it has aborted too: nothing of ours is read any more
    }
  }

  /** Takes over {@code bytes}. */
  private void dataRead(ByteBuf bytes) {
    if (framedEof) {
      bytes.release();
      abort(ReasonCode.PROTOCOL);
      return;
    }
    if (rawOutputLost) {
      bytes.release();
      return;
    }
    idleWatch.traffic();
    int length = bytes.readableBytes();
    raw.write(compact(bytes)).addListener(new Delivery(length));
  }

  /** Counts bytes once the kernel has them. */
  private final class Delivery implements ChannelFutureListener {
    private final int bytes;

    Delivery(int bytes) {
      this.bytes = bytes;
    }

    @Override
    public void operationComplete(ChannelFuture write) {
      if (write.isSuccess()) {
        deliveredBytes += bytes;
      }
      toRaw.operationComplete(write);
    }
  }

  /** A few bytes must not hold on to the large buffer they were received in. */
  private ByteBuf compact(ByteBuf bytes) {
    if (bytes.readableBytes() >= SMALL) {
      return bytes;
    }
    ByteBuf copy = raw.alloc().directBuffer(bytes.readableBytes()).writeBytes(bytes);
    bytes.release();
    return copy;
  }

  void framedReadComplete() {
    if (!isOver()) {
      raw.flush();
      toRaw.update();
    }
  }

  private void eofRead() {
    if (framedEof) {
      abort(ReasonCode.PROTOCOL);
      return;
    }
    framedEof = true;
    idleWatch.halfClosed();
    if (rawOutputLost) {
      return;
    }
    // shutdownOutput fails what is still queued, so it waits behind the last byte
    raw.writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            (ChannelFuture write) -> {
              if (isOver()) {
                return;
              }
              if (!write.isSuccess()) {
                rawWriteFailed(write.cause());
                return;
              }
              toRaw.sinkDone(); // before: a channel without output has no figures to go by
              raw.shutdownOutput()
                  .addListener(
                      shut -> {
                        if (shut.isSuccess()) {
                          outputShut = true;
                          endIfDone();
                        } else {
                          rawWriteFailed(shut.cause());
                        }
                      });
            });
  }

  // --- both ---

  void updateFlow() {
    if (!ended) {
      toFramed.update();
      toRaw.update();
      abandonIfUnwatched();
    }
  }

  /**
   * Whether a silence may mean that an end has forgotten the session: one direction has ended, or,
   * as the agent leaves that to the relay, both have and the relay is gone.
   */
  boolean isWindingDown() {
    return settings.side() == BridgeSettings.Side.RELAY ? rawEof || framedEof : framedGone;
  }

  /** A write to the raw leg failed: it was reset, but may have sent something before. */
  private void rawWriteFailed(Throwable cause) {
    if (isOver() || rawOutputLost) {
      return;
    }
    rawOutputLost = true;
    rawFinIsCertain = Sockets.isBrokenPipe(cause);
    toRaw.sinkDone();
    if (rawEof) {
      rawGone();
    } else {
      limitTheEnd(framed, settings.side().rawGone());
      abandonIfUnwatched();
    }
  }

  /**
   * Looks whether a leg was reset, where its transport does not say so: behind its FIN, or while it
   * is not read.
   */
  void probe() {
    boolean rawIgnored = rawEof ? !outputShut : !raw.config().isAutoRead();
    if (rawIgnored && NioProbe.isReset(raw)) {
      rawError();
    }
    if (!framed.config().isAutoRead() && NioProbe.isReset(framed)) {
      framedError();
    }
  }

  /** The kernel reports an error of the raw leg; what it has received from it can still be read. */
  void rawError() {
    if (isOver()) {
      return;
    }
    if (rawEof) {
      rawGone();
    } else {
      limitTheEnd(framed, settings.side().rawGone());
    }
  }

  /** The same of the framed leg. */
  void framedError() {
    if (!isOver()) {
      limitTheEnd(framed, ReasonCode.AGENT_LOST);
    }
  }

  /** The session will be aborted: bytes may still be delivered, but not for ever. */
  private void limitTheEnd(Channel leg, ReasonCode reason) {
    if (abortLimit == null) {
      abortLimit =
          leg.eventLoop().schedule(() -> abort(reason), ABORT_LIMIT_SECONDS, TimeUnit.SECONDS);
    }
  }

  /**
   * NIO keeps asking for a failed leg's output, which costs a core while nothing is read from it.
   */
  private void abandonIfUnwatched() {
    if (rawOutputLost && !raw.config().isAutoRead() && NioProbe.isNio(raw)) {
      abort(settings.side().rawGone());
    }
  }

  void rawClosed() {
    if (abortReason == null) {
      rawGone();
    } else if (!framed.isOpen()) {
      finish(abortReason);
    }
  }

  /** The raw leg ended without a FIN: the peer hears of it behind the last byte. */
  private void rawGone() {
    if (!beginAbort(settings.side().rawGone())) {
      return;
    }
    toRaw.close();
    toFramed.sourceEnded();
    Sockets.reset(raw);
    if (!framed.isActive()) {
      finish(settings.side().rawGone());
      return;
    }
    limitTheEnd(framed, settings.side().rawGone());
    framed.writeAndFlush(Frame.Reset.of(settings.side().rawGone())).addListener(toFramed);
    framed.config().setAutoRead(true); // what comes is dropped, until the peer has closed
  }

  /** The framed leg's connection ended in order. */
  void framedClosed() {
    if (abortReason != null) {
      if (!raw.isOpen()) {
        finish(abortReason);
      }
    } else if (framedEof && eofSent) {
      framedGone = true; // a slow raw leg may still have bytes to take
      toFramed.close();
      idleWatch.halfClosed();
    } else {
      framedFailed();
    }
  }

  void framedFailed() {
    framedLost(ReasonCode.AGENT_LOST);
  }

  /** The framed leg said its last, or is lost: the raw leg is reset behind the last byte. */
  private void framedLost(ReasonCode reason) {
    if (!beginAbort(reason)) {
      return;
    }
    toFramed.close();
    toRaw.sourceEnded();
    toRaw.update();
    Sockets.reset(framed);
    if (raw.isActive()) {
      limitTheEnd(raw, reason);
      raw.config().setAutoRead(false);
      rawReset = DelayedReset.of(raw, lost -> deliveredBytes -= lost);
    } else {
      finish(reason);
    }
  }

  private void endIfDone() {
    if (eofSent && outputShut && !isOver()) {
      finish(ReasonCode.DONE);
      Sockets.resetOnClose(raw, false);
      raw.close();
      if (settings.side() == BridgeSettings.Side.RELAY) {
        framed.close();
      } else {
        framed.config().setAutoRead(true);
        Future<?> patience =
            framed.eventLoop().schedule(() -> framed.close(), FAREWELL_HOURS, TimeUnit.HOURS);
        framed.closeFuture().addListener(closed -> patience.cancel(false));
      }
    }
  }

  /**
   * Ends the session with a reset of both legs at once; the peer is told why if it listens. On any
   * thread.
   */
  public void abort(ReasonCode reason) {
    if (!framed.eventLoop().inEventLoop()) {
      framed.eventLoop().execute(() -> abort(reason));
      return;
    }
    if (ended) {
      return;
    }
    boolean first = beginAbort(reason);
    if (rawReset != null) {
      rawReset.now();
    }
    finish(requireNonNull(abortReason));
    if (first) {
      tellPeer(reason);
    }
    Sockets.reset(framed);
    Sockets.reset(raw);
  }

  /**
   * Ends the session but leaves the raw leg open, as it was before {@link #join}: it proved to be
   * no user, or another data connection may have it.
   */
  public void release(ReasonCode reason) {
    if (isOver()) {
      return;
    }
    finish(reason);
    tellPeer(reason);
    Sockets.reset(framed);
    raw.pipeline().remove(rawLeg);
    raw.config().setAutoClose(true);
    raw.config().setAutoRead(true);
  }

  /** Whether the session is being aborted, or has ended. */
  public boolean isOver() {
    return ended || abortReason != null;
  }

  /**
   * @return whether it is not over already
   */
  private boolean beginAbort(ReasonCode reason) {
    if (isOver()) {
      return false;
    }
    abortReason = reason;
    idleWatch.stop();
    return true;
  }

  private void cancelLimit() {
    if (abortLimit != null) {
      abortLimit.cancel(false);
      abortLimit = null;
    }
  }

  private void tellPeer(ReasonCode reason) {
    if (framed.isActive() && framed.isWritable()) {
      framed.writeAndFlush(Frame.Reset.of(reason));
    }
  }

  private void finish(ReasonCode reason) {
    if (ended) {
      return;
    }
    ended = true;
    cancelLimit();
    toFramed.close();
    toRaw.close();
    idleWatch.stop();
    listener.ended(this, reason);
  }
}
