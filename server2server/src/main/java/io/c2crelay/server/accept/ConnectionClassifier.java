package io.c2crelay.server.accept;

import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.transport.Sockets;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.PendingWriteQueue;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.concurrent.Future;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells an agent's connection from a user's, by its first bytes or their absence (docs/protocol.md
 * section 1), and takes itself out once that is settled. First in the pipeline; every byte it has
 * held is passed on in order.
 */
public final class ConnectionClassifier extends ChannelDuplexHandler {
  private static final Logger log = LoggerFactory.getLogger(ConnectionClassifier.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "connection.refused", 10);

  /** How long a beginning of the magic is held before it counts as a user's bytes. */
  static final long PREFIX_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How long the rest of a preamble may take. */
  static final long PREAMBLE_NANOS = TimeUnit.SECONDS.toNanos(2);

  private enum State {
    /** Nothing received, the grace time runs. */
    NEW,
    /** Nothing received within the grace time: a user, unless the magic comes. */
    TENTATIVE,
    /** A beginning of the magic was received; nothing is written to the connection. */
    PREFIX,
    /** The magic was received. */
    PREAMBLE,
    /** Known, or closed. */
    SETTLED
  }

  private final LongSupplier graceNanos;
  private final ConnectionSink sink;

  private State state = State.NEW;
  private ByteBuf received = Unpooled.EMPTY_BUFFER;
  private @Nullable PendingWriteQueue heldWrites;

  /** The sink was told of a silent user. */
  private boolean announced;

  /** Something was written to the connection. */
  private boolean spokenTo;

  private @Nullable Future<?> timer;
  private long deadlineNanos;

  /**
   * @param graceNanos how long to wait for the first byte
   */
  public ConnectionClassifier(LongSupplier graceNanos, ConnectionSink sink) {
    this.graceNanos = graceNanos;
    this.sink = sink;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    startTimer(ctx, graceNanos.getAsLong());
    ctx.fireChannelActive();
  }

  // --- what is received ---

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (state == State.SETTLED) {
      ctx.fireChannelRead(msg);
      return;
    }
    ByteBuf bytes = (ByteBuf) msg;
    if (!bytes.isReadable()) {
      bytes.release();
      return;
    }
    received = received.isReadable() ? Unpooled.wrappedBuffer(received, bytes) : bytes;
    if (state == State.PREAMBLE) {
      readPreamble(ctx);
      return;
    }
    switch (Preamble.match(received)) {
      case NONE:
        settleUser(ctx);
        break;
      case PREFIX:
        if (state != State.PREFIX) {
          state = State.PREFIX;
          startTimer(ctx, PREFIX_NANOS);
        }
        break;
      case COMPLETE:
        magicReceived(ctx);
        break;
    }
  }

  private void magicReceived(ChannelHandlerContext ctx) {
    if (spokenTo) {
      log.debug("connection.misread from={}", Sockets.text(ctx.channel().remoteAddress()));
      close(ctx);
      return;
    }
    state = State.PREAMBLE;
    startTimer(ctx, PREAMBLE_NANOS);
    if (announced) {
      log.debug("connection.reclassified from={}", Sockets.text(ctx.channel().remoteAddress()));
      sink.notAUser();
    }
    dropHeldWrites();
    sink.magic();
    readPreamble(ctx);
  }

  private void readPreamble(ChannelHandlerContext ctx) {
    if (received.readableBytes() < Preamble.LENGTH) {
      return;
    }
    Preamble preamble = Preamble.read(received);
    if (preamble == null) {
      if (THROTTLE.allows()) {
        log.info(
            "connection.refused from={} reason=PREAMBLE",
            Sockets.text(ctx.channel().remoteAddress()));
      }
      close(ctx);
      return;
    }
    settle();
    sink.agent(preamble);
    passOn(ctx);
  }

  private void settleUser(ChannelHandlerContext ctx) {
    settle();
    if (!announced) {
      sink.user(false);
    } else if (!spokenTo) {
      sink.confirmed();
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
    if (announced && state != State.PREAMBLE) {
      ctx.fireExceptionCaught(cause);
    } else {
      close(ctx); // nobody behind is there to hear of it
    }
  }

  // --- what is written ---

  @Override
  public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
    if (state == State.PREFIX) {
      if (heldWrites == null) {
        heldWrites = new PendingWriteQueue(ctx);
      }
      heldWrites.add(msg, promise);
      return;
    }
    if (!spokenTo && state != State.SETTLED) {
      spokenTo = true;
      sink.confirmed();
    }
    ctx.write(msg, promise);
  }

  private void dropHeldWrites() {
    if (heldWrites != null) {
      heldWrites.removeAndFailAll(new ClosedChannelException());
      heldWrites = null;
    }
  }

  // --- time ---

  private void timeUp(ChannelHandlerContext ctx) {
    timer = null;
    deadlineNanos = 0;
    switch (state) {
      case NEW:
        state = State.TENTATIVE;
        announced = true;
        sink.user(true);
        break;
      case PREFIX:
        settleUser(ctx);
        break;
      case PREAMBLE:
        close(ctx);
        break;
      case TENTATIVE:
      case SETTLED:
        break; // no time limit
    }
  }

  private void startTimer(ChannelHandlerContext ctx, long nanos) {
    stopTimer();
    deadlineNanos = ctx.executor().ticker().nanoTime() + nanos;
    timer = ctx.executor().schedule(() -> lookOnceMore(ctx), nanos, TimeUnit.NANOSECONDS);
  }

  /**
   * A loop that was held up runs its timers before it reads: what came in time may lie in the
   * kernel. What is scheduled in a task runs after the loop has read.
   */
  private void lookOnceMore(ChannelHandlerContext ctx) {
    timer = ctx.executor().schedule(() -> timeUp(ctx), 0, TimeUnit.NANOSECONDS);
  }

  private void stopTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  /** The channel leaves its loop: so does the timer. */
  @Override
  public void channelUnregistered(ChannelHandlerContext ctx) {
    stopTimer();
    ctx.fireChannelUnregistered();
  }

  @Override
  public void channelRegistered(ChannelHandlerContext ctx) {
    if (state == State.PREFIX || state == State.PREAMBLE) {
      startTimer(ctx, Math.max(0, deadlineNanos - ctx.executor().ticker().nanoTime()));
    }
    ctx.fireChannelRegistered();
  }

  // --- the end ---

  private void settle() {
    state = State.SETTLED;
    stopTimer();
  }

  private void close(ChannelHandlerContext ctx) {
    settle();
    if (spokenTo) {
      Sockets.reset(ctx.channel());
    } else {
      ctx.close();
    }
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
    if (heldWrites != null) {
      if (ctx.channel().isActive()) {
        heldWrites.removeAndWriteAll();
        ctx.flush();
      } else {
        dropHeldWrites();
      }
    }
  }
}
