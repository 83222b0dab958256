package io.c2crelay.common.bridge;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.NioProbe;
import io.c2crelay.common.transport.ReceiveBuffer;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One session: a raw leg (user or target) and a framed leg (the data connection), joined on one
 * event loop. The end of one leg's input ends the other's output. The session is done when both
 * directions have ended; any other end is an abort.
 *
 * <p>If a leg is lost, the bytes read from it are delivered before the other leg is reset, within
 * 30 s of the first sign of the loss. An {@link #abort} by this side resets both legs at once.
 *
 * <p>All methods run on the session's event loop, unless stated otherwise.
 */
public final class Bridge {
  /** Receives the events of a session. */
  public interface Listener {
    /**
     * The session ended; called once.
     *
     * @param reason {@link ReasonCode#DONE} after both directions ended gracefully
     */
    void ended(Bridge bridge, ReasonCode reason);

    /** The first byte arrived from the target. */
    default void answered() {}

    /** Whether the data connection can carry another session after this one. */
    boolean keepsConnection();

    /**
     * Both ends have sent DONE, after {@link #ended}. The data connection has no handler of the
     * bridge any more; add the next one at once.
     */
    void connectionFree();

    /** The peer broke the protocol after {@link #ended}; the data connection was reset. */
    void connectionViolated(@Nullable String detail);
  }

  private static final long ABORT_LIMIT_SECONDS = 30;

  private final BridgeSettings settings;
  private final Listener listener;
  private final RawLeg raw;
  private final FramedLeg framed;
  private final Direction toFramed;
  private final Direction toRaw;
  private final SessionTimer timer;
  private final boolean isLimited;

  /** One end has finished gracefully; the other may still have bytes to receive. */
  private boolean windingDown;

  /** The reason for the abort; null unless the session is being aborted. */
  private @Nullable ReasonCode abortReason;

  /** Scheduled at the first sign that the session will be aborted. */
  private @Nullable Future<?> abortLimit;

  private boolean ended;

  private Bridge(
      DuplexChannel raw,
      Channel framed,
      long sessionId,
      BridgeSettings settings,
      SessionRates rates,
      Listener listener) {
    this.settings = settings;
    this.listener = requireNonNull(listener, "listener");
    this.raw = new RawLeg(this, raw, settings.side().rawGone());
    this.framed = new FramedLeg(this, framed, settings.side(), sessionId);
    isLimited = rates != SessionRates.UNLIMITED;
    toFramed = new Direction(this.raw, this.framed, settings.budget(), rates.toFramed);
    toRaw = new Direction(this.framed, this.raw, settings.budget(), rates.toRaw);
    timer = new SessionTimer(this, settings, NioProbe.isNio(raw));
  }

  /**
   * Joins two legs on the caller's event loop by adding a handler at the end of each pipeline. The
   * handlers before it must pass on everything they hold. {@link #begin} starts reading.
   */
  public static Bridge join(
      DuplexChannel raw,
      Channel framed,
      long sessionId,
      BridgeSettings settings,
      SessionRates rates,
      Listener listener) {
    Bridge bridge = new Bridge(raw, framed, sessionId, settings, rates, listener);
    bridge.raw.attach();
    bridge.framed.attach();
    return bridge;
  }

  /**
   * Delivers the bytes of a user or target that was reset before the session began. Takes ownership
   * of {@code bytes}.
   */
  public static Bridge deliver(
      ByteBuf bytes,
      DuplexChannel gone,
      Channel framed,
      long sessionId,
      BridgeSettings settings,
      Listener listener) {
    Bridge bridge = new Bridge(gone, framed, sessionId, settings, SessionRates.UNLIMITED, listener);
    bridge.framed.attach();
    ReceiveBuffer.widen(framed, settings.budget()::share);
    bridge.timer.start(framed.eventLoop());
    bridge.toFramed.flow.sourceEnded();
    bridge.read(bridge.raw, bytes);
    bridge.lost(bridge.raw, bridge.raw.lostReason());
    return bridge;
  }

  /** Begins to read both legs. */
  public void begin() {
    if (isOver()) {
      return;
    }
    if (!isLimited) { // with a rate limit, one read must not exceed a turn
      ReceiveBuffer.widen(raw.channel, settings.budget()::share);
      ReceiveBuffer.widen(framed.channel, settings.budget()::share);
    }
    timer.start(framed.channel.eventLoop());
    updateFlow();
  }

  /** Bytes read from the raw leg so far. Safe on any thread. */
  public long rawBytes() {
    return raw.bytesRead();
  }

  /** Session bytes read from the framed leg so far. Safe on any thread. */
  public long framedBytes() {
    return framed.bytesRead();
  }

  /** Bytes that the raw leg's peer has received so far, as far as is known. */
  public long deliveredBytes() {
    return raw.bytesDelivered();
  }

  /** Whether the session has ended, with no bytes in flight. */
  public boolean isEnded() {
    return ended;
  }

  /** Whether the session is being aborted, or has ended. */
  public boolean isOver() {
    return ended || abortReason != null;
  }

  // --- for the legs and the timer ---

  private Direction from(Leg leg) {
    return leg == raw ? toFramed : toRaw;
  }

  private Direction to(Leg leg) {
    return leg == raw ? toRaw : toFramed;
  }

  Backpressure flowTo(Leg leg) {
    return to(leg).flow;
  }

  boolean hasInputEnded(Leg leg) {
    return from(leg).inputEnded;
  }

  /** Whether the output of a leg has ended, or will end after the queued bytes. */
  boolean hasOutputEnded(Leg leg) {
    return to(leg).inputEnded;
  }

  /** Whether a rate limit has paused a direction. */
  boolean isWaitingForTurn() {
    return toFramed.flow.isWaitingForTurn() || toRaw.flow.isWaitingForTurn();
  }

  void connectionFree() {
    listener.connectionFree();
  }

  void connectionViolated(@Nullable String detail) {
    listener.connectionViolated(detail);
  }

  SessionTimer timer() {
    return timer;
  }

  /** Takes ownership of {@code bytes}. */
  void read(Leg leg, ByteBuf bytes) {
    Direction direction = from(leg);
    if (isOver() || direction.inputEnded || !bytes.isReadable()) {
      bytes.release();
      return;
    }
    boolean first = leg.bytesRead() == 0;
    leg.countRead(bytes.readableBytes());
    if (first && (leg == raw) == (settings.side() == BridgeSettings.Side.AGENT)) {
      listener.answered();
    }
    timer.traffic();
    direction.flow.read(bytes.readableBytes());
    direction.sink.write(bytes);
  }

  void readComplete(Leg leg) {
    if (!isOver()) {
      from(leg).sink.channel.flush();
      from(leg).flow.update();
      leg.flowUpdated();
    }
  }

  /** FIN or EOF was read. */
  void inputEnded(Leg leg) {
    Direction direction = from(leg);
    if (!isOver() && !direction.inputEnded) {
      direction.inputEnded = true;
      timer.halfClosed();
      direction.sink.shutdownOutput();
    }
  }

  /** The end of a direction was written. */
  void outputEnded(Leg leg) {
    to(leg).outputEnded = true;
    if (toFramed.outputEnded && toRaw.outputEnded && !isOver()) {
      finish(ReasonCode.DONE);
      raw.close();
      framed.done(listener.keepsConnection());
    }
  }

  void updateFlow() {
    if (!ended) {
      toFramed.flow.update();
      toRaw.flow.update();
      raw.flowUpdated();
    }
  }

  void probe() {
    raw.probe();
    framed.probe();
  }

  void ping() {
    framed.ping();
  }

  /**
   * Whether the half-close timeout applies, because an end that sends nothing may have lost its
   * state. On the relay: one direction has ended. The agent leaves that case to the relay; on the
   * agent, both directions have ended and the relay has closed.
   */
  boolean isWindingDown() {
    return settings.side() == BridgeSettings.Side.RELAY
        ? toFramed.inputEnded || toRaw.inputEnded
        : windingDown;
  }

  /**
   * One end has finished gracefully: limits the time in which the other end takes its last bytes.
   */
  void windDown() {
    windingDown = true;
    timer.halfClosed();
  }

  // --- the end ---

  /** A leg's connection was reset. Bytes in the kernel's receive buffer can still be read. */
  void error(Leg leg) {
    if (isOver()) {
      settleIfAborting(leg);
    } else if (from(leg).inputEnded) {
      lost(leg, leg.lostReason());
    } else {
      limitTheEnd(framed, leg.lostReason());
    }
  }

  /** A leg's connection closed. */
  void closed(Leg leg) {
    if (abortReason != null) {
      finishIfClosed(abortReason);
    } else if (from(leg).inputEnded && to(leg).outputEnded) {
      to(leg).flow.close();
      windDown();
    } else {
      lost(leg, leg.lostReason());
    }
  }

  /** A leg that waits for its delayed reset is lost: no more bytes are delivered. */
  private void settleIfAborting(Leg leg) {
    if (!ended) {
      leg.settle();
    }
  }

  private void finishIfClosed(ReasonCode reason) {
    if (!raw.channel.isOpen() && !framed.channel.isOpen()) {
      finish(reason);
    }
  }

  /** A leg is lost: resets the other one after the bytes that were read. */
  void lost(Leg leg, ReasonCode reason) {
    if (!beginAbort(reason)) {
      settleIfAborting(leg);
      return;
    }
    Direction direction = from(leg);
    Leg other = direction.sink;
    to(leg).flow.close();
    direction.flow.sourceEnded();
    direction.flow.update();
    Sockets.reset(leg.channel);
    if (other.channel.isActive()) {
      limitTheEnd(other, reason);
      other.resetBehindData(reason);
    } else {
      finish(reason);
    }
  }

  /** The session will be aborted: limits the time for bytes that can still be delivered. */
  private void limitTheEnd(Leg leg, ReasonCode reason) {
    if (abortLimit == null) {
      abortLimit =
          leg.channel
              .eventLoop()
              .schedule(() -> abort(reason), ABORT_LIMIT_SECONDS, TimeUnit.SECONDS);
    }
  }

  /**
   * Aborts the session: resets both legs at once, and sends the reason to the peer if possible.
   * Safe on any thread.
   */
  public void abort(ReasonCode reason) {
    if (!framed.channel.eventLoop().inEventLoop()) {
      framed.channel.eventLoop().execute(() -> abort(reason));
      return;
    }
    if (ended) {
      return;
    }
    boolean first = beginAbort(reason);
    raw.settle();
    finish(requireNonNull(abortReason));
    if (first) {
      framed.abort(reason);
    } else {
      Sockets.reset(framed.channel);
    }
    raw.abort(reason);
  }

  /**
   * Ends the session but leaves the raw leg open, as it was before {@link #join}, so that another
   * data connection can take it.
   */
  public void release(ReasonCode reason) {
    if (isOver()) {
      return;
    }
    finish(reason);
    framed.abort(reason);
    raw.detach();
  }

  /**
   * @return false if the session was already over
   */
  private boolean beginAbort(ReasonCode reason) {
    if (isOver()) {
      return false;
    }
    abortReason = reason;
    timer.stop();
    return true;
  }

  private void finish(ReasonCode reason) {
    if (ended) {
      return;
    }
    ended = true;
    if (abortLimit != null) {
      abortLimit.cancel(false);
      abortLimit = null;
    }
    toFramed.flow.close();
    toRaw.flow.close();
    timer.stop();
    listener.ended(this, reason);
  }
}
