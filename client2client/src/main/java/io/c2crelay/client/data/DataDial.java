package io.c2crelay.client.data;

import io.c2crelay.client.connect.MisreadException;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.security.GeneralSecurityException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One data connection to open: up to three attempts with the same token, since the relay may take a
 * late preamble for a user's silence, 10 s for all. On one event loop.
 */
final class DataDial {
  private static final Logger log = LoggerFactory.getLogger(DataDial.class);

  private static final LogThrottle THROTTLE = LogThrottle.of(log, "data.dial.failed", 10);

  private static final int MAX_ATTEMPTS = 3;
  private static final long REDIAL_MILLIS = 200;
  private static final long LIMIT_SECONDS = 10;

  private final DataDialer dialer;
  private final Frame.Dial.Ticket ticket;
  private final EventLoop loop;
  private final long beganNanos;
  private @Nullable Channel channel;
  private @Nullable Future<?> limit;
  private int attempts;
  private boolean over;

  DataDial(DataDialer dialer, Frame.Dial.Ticket ticket, EventLoop loop) {
    this.dialer = dialer;
    this.ticket = ticket;
    this.loop = loop;
    beganNanos = loop.ticker().nanoTime();
  }

  long beganNanos() {
    return beganNanos;
  }

  Frame.Dial.Ticket ticket() {
    return ticket;
  }

  /** Begins to dial. On any thread. */
  void begin() {
    loop.execute(
        () -> {
          limit =
              loop.schedule(
                  () -> giveUp(ReasonCode.START_TIMEOUT), LIMIT_SECONDS, TimeUnit.SECONDS);
          attempt();
        });
  }

  private void attempt() {
    if (over) {
      return;
    }
    attempts++;
    DataHandshake handshake = new DataHandshake(this, dialer);
    dialer
        .connector()
        .connect(dialer.relay(), Preamble.Kind.DATA, loop, handshake)
        .addListener(
            (Future<Channel> connected) -> {
              if (!connected.isSuccess()) {
                log.debug("data.unreachable cause={}", Sockets.describe(connected.cause()));
                boolean noSocket = connected.cause() instanceof ChannelException;
                giveUp(noSocket ? ReasonCode.LIMIT : ReasonCode.AGENT_LOST);
              } else if (over) {
                connected.getNow().close();
              } else {
                channel = connected.getNow();
                dialer.opened(connected.getNow());
              }
            });
  }

  /** READY came with the right ack. */
  void ready() {
    end(true, ReasonCode.DONE);
  }

  /** The attempt failed before READY. */
  void failed(@Nullable Throwable cause) {
    if (over) {
      return;
    }
    log.debug("data.failed attempt={} cause={}", attempts, Sockets.describe(cause));
    boolean misread = MisreadException.isCauseOf(cause);
    if (misread && attempts < MAX_ATTEMPTS) {
      loop.schedule(this::attempt, REDIAL_MILLIS, TimeUnit.MILLISECONDS);
    } else {
      boolean hostile =
          cause instanceof GeneralSecurityException || cause instanceof ProtocolException;
      giveUp(
          misread
              ? ReasonCode.RECLASSIFIED
              : hostile ? ReasonCode.PROTOCOL : ReasonCode.AGENT_LOST);
    }
  }

  private void giveUp(ReasonCode reason) {
    if (over) {
      return;
    }
    if (THROTTLE.allows()) {
      log.info("data.dial.failed reason={} attempts={}", reason, attempts);
    }
    end(false, reason);
    if (channel != null) {
      Sockets.reset(channel);
    }
  }

  private void end(boolean worked, ReasonCode reason) {
    over = true;
    if (limit != null) {
      limit.cancel(false);
    }
    dialer.over(this, worked, reason);
  }
}
