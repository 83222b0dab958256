package io.c2crelay.common.splice;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * One session: a raw leg (user or target) and a framed leg (the data connection), joined on one
 * event loop. Bytes of the raw leg go out as DATA, its FIN as EOF; DATA comes back as bytes, EOF as
 * a FIN. The session is done when both directions are; any other end is an abort: RESET to the peer
 * if it can be written, and a TCP reset of both legs.
 *
 * <p>All methods run on that loop.
 */
public final class Splice {
  /** Hears of the session's end. */
  public interface Listener {
    /**
     * The session ended; called once.
     *
     * @param reason {@link ReasonCode#DONE} after both directions closed in order
     */
    void ended(Splice splice, ReasonCode reason);
  }

  /**
   * After both EOFs the relay closes first; an agent that waits longer than this closes by itself.
   */
  private static final long FAREWELL_HOURS = 1;

  /** Payloads below this, in bytes, are copied out of the buffer they came in. */
  private static final int SMALL = 512;

  private final DuplexChannel raw;
  private final Channel framed;
  private final SpliceSettings settings;
  private final Listener listener;
  private final RawLeg rawLeg;
  private final FramedLeg framedLeg;
  private final FlowGate toFramed;
  private final FlowGate toRaw;
  private final IdleWatch idleWatch;

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

  private boolean ended;
  private long rawBytes;
  private long framedBytes;

  private Splice(DuplexChannel raw, Channel framed, SpliceSettings settings, Listener listener) {
    this.raw = raw;
    this.framed = framed;
    this.settings = settings;
    this.listener = listener;
    rawLeg = new RawLeg(this);
    framedLeg = new FramedLeg(this);
    toFramed = new FlowGate(raw, framed, settings.budget(), cause -> abort(ReasonCode.AGENT_LOST));
    toRaw = new FlowGate(framed, raw, settings.budget(), cause -> abort(settings.side().rawGone()));
    idleWatch = new IdleWatch(this, settings);
  }

  /**
   * Joins two legs that are on the caller's event loop: adds a handler at the end of each pipeline,
   * which must pass on all they hold, and begins to read.
   */
  public static Splice join(
      DuplexChannel raw, Channel framed, SpliceSettings settings, Listener listener) {
    Splice splice = new Splice(raw, framed, settings, requireNonNull(listener, "listener"));
    Sockets.resetOnClose(raw, true); // until it is done, whatever ends this process
    raw.pipeline().addLast("raw-leg", splice.rawLeg);
    framed.pipeline().addLast("framed-leg", splice.framedLeg);
    return splice;
  }

  /** Begins to read both legs. */
  public void begin() {
    ReceiveBuffer.widen(raw, settings.budget()::share);
    ReceiveBuffer.widen(framed, settings.budget()::share);
    idleWatch.start(framed.eventLoop());
    updateFlow();
  }

  /** Bytes read from the raw leg so far. */
  public long rawBytes() {
    return rawBytes;
  }

  /** Bytes received in DATA so far. */
  public long framedBytes() {
    return framedBytes;
  }

  /** Whether the session has ended. */
  public boolean isEnded() {
    return ended;
  }

  // --- raw leg to framed leg ---

  void rawRead(ByteBuf bytes) {
    if (ended || rawEof) {
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
    if (!ended) {
      framed.flush();
      toFramed.update();
    }
  }

  void rawInputEnded() {
    if (ended || rawEof) {
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
    switch (frame.type()) {
      case DATA:
        dataRead(((Frame.Data) frame).content());
        break;
      case EOF:
        eofRead();
        break;
      case RESET:
        end(((Frame.Reset) frame).reason(), false);
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

  /** Takes over {@code bytes}. */
  private void dataRead(ByteBuf bytes) {
    if (ended || framedEof) {
      bytes.release();
      abort(ReasonCode.PROTOCOL);
      return;
    }
    framedBytes += bytes.readableBytes();
    idleWatch.traffic();
    raw.write(compact(bytes)).addListener(toRaw);
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
    if (!ended) {
      raw.flush();
      toRaw.update();
    }
  }

  private void eofRead() {
    if (ended || framedEof) {
      abort(ReasonCode.PROTOCOL);
      return;
    }
    framedEof = true;
    idleWatch.halfClosed();
    // shutdownOutput fails what is still queued, so it waits behind the last byte
    raw.writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            (ChannelFuture write) -> {
              if (!write.isSuccess()) {
                abort(settings.side().rawGone());
                return;
              }
              toRaw.sinkDone(); // before: a channel without output has no figures to go by
              raw.shutdownOutput()
                  .addListener(
                      shut -> {
                        outputShut = true; // or failed: then the leg's own end is on its way
                        endIfDone();
                      });
            });
  }

  // --- both ---

  void updateFlow() {
    if (!ended) {
      toFramed.update();
      toRaw.update();
    }
  }

  /**
   * Whether a silence may mean that an end has forgotten the session: one direction has ended, or,
   * as the agent leaves that to the relay, both have and the relay is gone.
   */
  boolean isWindingDown() {
    return settings.side() == SpliceSettings.Side.RELAY ? rawEof || framedEof : framedGone;
  }

  void rawClosed() {
    abort(settings.side().rawGone());
  }

  /** The framed leg's connection ended in order. */
  void framedClosed() {
    if (framedEof && eofSent) {
      framedGone = true; // a slow raw leg may still have bytes to take
      toFramed.close();
      idleWatch.halfClosed();
    } else {
      framedFailed();
    }
  }

  void framedFailed() {
    abort(ReasonCode.AGENT_LOST);
  }

  private void endIfDone() {
    if (eofSent && outputShut && !ended) {
      finish(ReasonCode.DONE);
      Sockets.resetOnClose(raw, false);
      raw.close();
      if (settings.side() == SpliceSettings.Side.RELAY) {
        framed.close();
      } else {
        framed.config().setAutoRead(true);
        Future<?> patience =
            framed.eventLoop().schedule(() -> framed.close(), FAREWELL_HOURS, TimeUnit.HOURS);
        framed.closeFuture().addListener(closed -> patience.cancel(false));
      }
    }
  }

  /** Ends the session with a reset of both legs; the peer is told why if it can be written to. */
  public void abort(ReasonCode reason) {
    end(reason, true);
  }

  private void end(ReasonCode reason, boolean tellPeer) {
    if (ended) {
      return;
    }
    finish(reason);
    if (tellPeer) {
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
    if (ended) {
      return;
    }
    finish(reason);
    tellPeer(reason);
    Sockets.reset(framed);
    raw.pipeline().remove(rawLeg);
    raw.config().setAutoRead(true);
  }

  private void tellPeer(ReasonCode reason) {
    if (framed.isActive() && framed.isWritable()) {
      framed.writeAndFlush(Frame.Reset.of(reason));
    }
  }

  private void finish(ReasonCode reason) {
    ended = true;
    toFramed.close();
    toRaw.close();
    idleWatch.stop();
    listener.ended(this, reason);
  }
}
