package io.c2crelay.common.bridge;

import io.c2crelay.common.protocol.ReasonCode;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The timer of one session. Sends a PING after 30 s without a write to the data connection. Aborts
 * after the idle timeout, or after the half-close timeout if only one direction is left. With NIO,
 * checks every 15 s whether a leg was reset. Runs on the session's event loop.
 */
final class SessionTimer implements Runnable {
  private static final long PING_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long PROBE_NANOS = TimeUnit.SECONDS.toNanos(15);

  private final Bridge bridge;
  private final BridgeSettings settings;
  private final boolean probes;
  private @Nullable EventLoop loop;
  private @Nullable Future<?> timer;
  private long lastTraffic;
  private long lastFramedWrite;
  private long lastProbe;

  SessionTimer(Bridge bridge, BridgeSettings settings, boolean probes) {
    this.bridge = bridge;
    this.settings = settings;
    this.probes = probes;
  }

  void start(EventLoop eventLoop) {
    loop = eventLoop;
    lastTraffic = now();
    lastFramedWrite = lastTraffic;
    lastProbe = lastTraffic;
    arm();
  }

  /** Session bytes passed, in either direction. */
  void traffic() {
    lastTraffic = now();
  }

  void framedWrite() {
    lastFramedWrite = now();
  }

  /** One direction ended: the next deadline may be earlier now. */
  void halfClosed() {
    if (timer != null) {
      timer.cancel(false);
      traffic();
      arm();
    }
  }

  void stop() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  @Override
  public void run() {
    if (bridge.isWaitingForTurn()) {
      traffic(); // a rate limit may be holding back bytes
    }
    long idle = now() - lastTraffic;
    if (passed(idle, settings.idleNanos())
        || (bridge.isWindingDown() && passed(idle, settings.halfCloseNanos()))) {
      bridge.abort(ReasonCode.IDLE);
      return;
    }
    if (probes && now() - lastProbe >= PROBE_NANOS) {
      lastProbe = now();
      bridge.probe();
    }
    if (now() - lastFramedWrite >= PING_NANOS) {
      lastFramedWrite = now();
      bridge.ping();
    }
    arm();
  }

  private void arm() {
    if (loop == null || bridge.isOver()) {
      return;
    }
    long wait = lastFramedWrite + PING_NANOS - now();
    if (probes) {
      wait = Math.min(wait, lastProbe + PROBE_NANOS - now());
    }
    if (settings.idleNanos() > 0) {
      wait = Math.min(wait, lastTraffic + settings.idleNanos() - now());
    }
    if (bridge.isWindingDown() && settings.halfCloseNanos() > 0) {
      wait = Math.min(wait, lastTraffic + settings.halfCloseNanos() - now());
    }
    timer = loop.schedule(this, Math.max(0, wait), TimeUnit.NANOSECONDS);
  }

  private long now() {
    return loop == null ? 0 : loop.ticker().nanoTime();
  }

  private static boolean passed(long idle, long limit) {
    return limit > 0 && idle >= limit;
  }
}
