package io.c2crelay.relay.listen;

import static io.netty.handler.codec.ByteToMessageDecoder.MERGE_CUMULATOR;
import static io.netty.handler.codec.ProtocolDetectionState.INVALID;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.TlsFirst;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.ProtocolDetectionState;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Classifies a connection as an agent's or a user's by its first bytes or their absence
 * (docs/protocol.md section 1). First in the pipeline; forwards every byte that it held, in order,
 * and removes itself once it has classified the first bytes.
 */
public final class ConnectionClassifier extends ChannelDuplexHandler {
  /** How long a prefix of the magic is held before it counts as a user's bytes. */
  static final long PREFIX_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How long the rest of a preamble may take. */
  static final long PREAMBLE_NANOS = TimeUnit.SECONDS.toNanos(2);

  private enum State {
    /** Nothing received, the detection timeout runs. */
    NEW,
    /** A prefix of the magic or of an agent's ClientHello was received. */
    PREFIX,
    /** The magic was received. */
    PREAMBLE,
    /** Nothing received within the detection timeout: reported as a user. */
    SILENT_USER,
    /** An agent's connection reported as a user: about to be reset, input is dropped. */
    MISCLASSIFIED,
    /** Classified, or closed. */
    SETTLED
  }

  private final LongSupplier detectTimeoutNanos;
  private final ConnectionRouter router;

  private State state = State.NEW;
  private ByteBuf received = Unpooled.EMPTY_BUFFER;

  /** Something was written to a silent user. */
  private boolean hasWritten;

  private @Nullable Future<?> timer;

  /**
   * @param detectTimeoutNanos how long to wait for the first byte
   */
  public ConnectionClassifier(LongSupplier detectTimeoutNanos, ConnectionRouter router) {
    this.detectTimeoutNanos = detectTimeoutNanos;
    this.router = router;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    startTimer(ctx, detectTimeoutNanos.getAsLong());
    ctx.fireChannelActive();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (state == State.SETTLED) {
      ctx.fireChannelRead(msg);
      return;
    }
    ByteBuf bytes = (ByteBuf) msg;
    if (!bytes.isReadable() || state == State.MISCLASSIFIED) {
      bytes.release();
      return;
    }
    received = MERGE_CUMULATOR.cumulate(ctx.alloc(), received, bytes);
    if (state == State.PREAMBLE) {
      readPreamble(ctx);
      return;
    }
    ProtocolDetectionState magic = Preamble.detect(received);
    ProtocolDetectionState match = magic == INVALID ? TlsFirst.detect(received) : magic;
    if (state == State.SILENT_USER) {
      firstBytesOfSilentUser(ctx, match);
      return;
    }
    switch (match) {
      case INVALID:
        settleUser(ctx);
        break;
      case NEEDS_MORE_DATA:
        if (state == State.NEW) {
          state = State.PREFIX;
          startTimer(ctx, PREFIX_NANOS);
        }
        break;
      case DETECTED:
        if (magic == INVALID) {
          settle();
          router.tlsFirst();
          passOn(ctx);
        } else {
          state = State.PREAMBLE;
          startTimer(ctx, PREAMBLE_NANOS);
          router.magic();
          readPreamble(ctx);
        }
        break;
    }
  }

  private void readPreamble(ChannelHandlerContext ctx) {
    if (received.readableBytes() < Preamble.LENGTH) {
      return;
    }
    Preamble preamble = Preamble.read(received);
    if (preamble == null) {
      router.invalidPreamble();
      close(ctx);
      return;
    }
    settle();
    router.agent(preamble);
    passOn(ctx);
  }

  private void settleUser(ChannelHandlerContext ctx) {
    settle();
    router.user(false);
    passOn(ctx);
  }

  /** A session may have begun, so an agent whose preamble arrives now has to dial again. */
  private void firstBytesOfSilentUser(ChannelHandlerContext ctx, ProtocolDetectionState match) {
    if (match == ProtocolDetectionState.DETECTED) {
      state = State.MISCLASSIFIED;
      router.misclassified();
      return;
    }
    settle();
    if (!hasWritten) {
      router.confirmed();
    }
    passOn(ctx);
  }

  private void passOn(ChannelHandlerContext ctx) {
    ByteBuf bytes = received;
    received = Unpooled.EMPTY_BUFFER;
    if (bytes.isReadable()) {
      ctx.fireChannelRead(bytes);
      ctx.fireChannelReadComplete();
    } else {
      bytes.release();
    }
    ctx.pipeline().remove(this);
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      if (state == State.NEW || state == State.PREAMBLE) {
        close(ctx);
        return;
      }
      if (state == State.PREFIX) {
        settleUser(ctx);
      }
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (state == State.SILENT_USER) {
      ctx.fireExceptionCaught(cause);
    } else {
      close(ctx); // no handler behind this one
    }
  }

  @Override
  public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
    if (state == State.SILENT_USER && !hasWritten) {
      hasWritten = true;
      router.confirmed();
    }
    ctx.write(msg, promise);
  }

  private void timeUp(ChannelHandlerContext ctx) {
    timer = null;
    switch (state) {
      case NEW:
        state = State.SILENT_USER;
        router.user(true);
        break;
      case PREFIX:
        settleUser(ctx);
        break;
      case PREAMBLE:
        close(ctx);
        break;
      default:
        break; // no time limit
    }
  }

  private void startTimer(ChannelHandlerContext ctx, long nanos) {
    stopTimer();
    timer = ctx.executor().schedule(() -> timeUpAfterRead(ctx), nanos, TimeUnit.NANOSECONDS);
  }

  /**
   * A delayed loop runs its timers before it reads, so bytes that arrived in time may still be in
   * the kernel. A task that a timer schedules runs after the loop has read.
   */
  private void timeUpAfterRead(ChannelHandlerContext ctx) {
    timer = ctx.executor().schedule(() -> timeUp(ctx), 0, TimeUnit.NANOSECONDS);
  }

  private void stopTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private void settle() {
    state = State.SETTLED;
    stopTimer();
  }

  private void close(ChannelHandlerContext ctx) {
    settle();
    ctx.close();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    settle();
    ctx.fireChannelInactive();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    settle();
    received.release();
    received = Unpooled.EMPTY_BUFFER;
  }
}
