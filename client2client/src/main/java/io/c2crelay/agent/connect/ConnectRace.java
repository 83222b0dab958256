package io.c2crelay.agent.connect;

import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Races connection attempts to several addresses (RFC 8305). The next attempt starts when one
 * fails, or 250 ms after the previous one started. The first connection wins; later ones are reset.
 * On one event loop.
 */
public final class ConnectRace {
  private static final long STAGGER_MILLIS = 250;

  private final Queue<InetSocketAddress> addresses;
  private final Function<InetSocketAddress, Future<Channel>> connector;
  private final EventLoop loop;
  private final Promise<Channel> result;
  private int underWay;
  private @Nullable Throwable firstFailure;
  private @Nullable Future<?> stagger;

  private ConnectRace(
      Queue<InetSocketAddress> addresses,
      Function<InetSocketAddress, Future<Channel>> connector,
      EventLoop loop) {
    this.addresses = addresses;
    this.connector = connector;
    this.loop = loop;
    result = loop.newPromise();
  }

  /**
   * Starts to connect. On the event loop.
   *
   * @param addresses at least one, in the order in which to try them; each is removed when its
   *     attempt starts
   * @param connector connects to one address; completes on the event loop
   * @return completes with the first connection, or with the first failure if all attempts fail. If
   *     the caller cancels or fails it, no further attempt starts
   */
  public static Promise<Channel> start(
      Queue<InetSocketAddress> addresses,
      Function<InetSocketAddress, Future<Channel>> connector,
      EventLoop loop) {
    ConnectRace race = new ConnectRace(addresses, connector, loop);
    race.tryNext();
    return race.result;
  }

  private void tryNext() {
    if (stagger != null) {
      stagger.cancel(false);
    }
    if (result.isDone()) {
      return;
    }
    if (addresses.isEmpty()) {
      if (underWay == 0 && firstFailure != null) {
        result.tryFailure(firstFailure);
      }
      return;
    }
    underWay++;
    stagger = loop.schedule(this::tryNext, STAGGER_MILLIS, TimeUnit.MILLISECONDS);
    connector
        .apply(addresses.remove())
        .addListener((Future<Channel> connected) -> completed(connected));
  }

  private void completed(Future<Channel> connected) {
    underWay--;
    if (!connected.isSuccess()) {
      firstFailure = firstFailure == null ? connected.cause() : firstFailure;
      tryNext();
    } else if (!result.trySuccess(connected.getNow())) {
      Sockets.reset(connected.getNow());
    } else if (stagger != null) {
      stagger.cancel(false);
    }
  }
}
