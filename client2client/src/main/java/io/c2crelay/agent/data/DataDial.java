package io.c2crelay.agent.data;

import io.c2crelay.agent.connect.MisclassifiedException;
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

/**
 * Opens one data connection within 10 s: up to three attempts with the same token, since the relay
 * may misclassify a connection whose preamble is late. On one event loop.
 */
final class DataDial {
  private static final int MAX_ATTEMPTS = 3;
  private static final long RETRY_MILLIS = 200;
  private static final long TIMEOUT_SECONDS = 10;

  private final DataDialer dialer;
  private final Frame.Dial.DialRequest dialRequest;
  private final EventLoop loop;
  private final long startNanos;
  private @Nullable Channel channel;
  private @Nullable Future<?> timeout;
  private int attempts;
  private boolean ended;

  DataDial(DataDialer dialer, Frame.Dial.DialRequest dialRequest, EventLoop loop) {
    this.dialer = dialer;
    this.dialRequest = dialRequest;
    this.loop = loop;
    startNanos = loop.ticker().nanoTime();
  }

  long startNanos() {
    return startNanos;
  }

  Frame.Dial.DialRequest dialRequest() {
    return dialRequest;
  }

  /** Starts the first attempt. On any thread. */
  void start() {
    loop.execute(
        () -> {
          timeout =
              loop.schedule(
                  () -> giveUp(ReasonCode.START_TIMEOUT), TIMEOUT_SECONDS, TimeUnit.SECONDS);
          attempt();
        });
  }

  private void attempt() {
    if (ended) {
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
                dialer.events().dataUnreachable(connected.cause());
                boolean noSocket = connected.cause() instanceof ChannelException;
                giveUp(noSocket ? ReasonCode.LIMIT : ReasonCode.AGENT_LOST);
              } else if (ended) {
                connected.getNow().close();
              } else {
                channel = connected.getNow();
                dialer.opened(connected.getNow());
              }
            });
  }

  /** READY was received with the expected ack. */
  void ready() {
    end(true, ReasonCode.DONE);
  }

  /** The attempt failed before READY. */
  void failed(@Nullable Throwable cause) {
    if (ended) {
      return;
    }
    dialer.events().dataFailed(attempts, cause);
    boolean misclassified = MisclassifiedException.isCauseOf(cause);
    if (misclassified && attempts < MAX_ATTEMPTS) {
      loop.schedule(this::attempt, RETRY_MILLIS, TimeUnit.MILLISECONDS);
    } else {
      boolean violation =
          cause instanceof GeneralSecurityException || cause instanceof ProtocolException;
      giveUp(
          misclassified
              ? ReasonCode.MISCLASSIFIED
              : violation ? ReasonCode.PROTOCOL : ReasonCode.AGENT_LOST);
    }
  }

  private void giveUp(ReasonCode reason) {
    if (ended) {
      return;
    }
    dialer.events().dataDialFailed(reason, attempts);
    end(false, reason);
    if (channel != null) {
      Sockets.reset(channel);
    }
  }

  private void end(boolean success, ReasonCode reason) {
    ended = true;
    if (timeout != null) {
      timeout.cancel(false);
    }
    dialer.dialEnded(this, success, reason);
  }
}
