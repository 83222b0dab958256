package io.c2crelay.agent.control;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.ConnectRace;
import io.c2crelay.agent.connect.MisclassifiedException;
import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.connect.VersionRefusedException;
import io.c2crelay.agent.control.RetryPolicy.Failure;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One attempt to attach to a relay: looks up its name, connects to its addresses in a race (RFC
 * 8305), and authenticates on the first connection. If that fails, the remaining addresses are
 * tried. State is confined to one event loop.
 */
final class ControlAttempt {

  /** Receives the outcome, once, on the event loop. */
  interface Listener {
    /** The relay is authenticated; {@code channelBinding} is that of its certificate. */
    void attached(InetSocketAddress address, ChannelHandlerContext ctx, byte[] channelBinding);

    /**
     * All addresses failed.
     *
     * @param last the failure of the last address
     * @param logged whether that failure was logged
     */
    void failed(Failure last, boolean logged);
  }

  private final RelayConnector connector;
  private final EventLoop loop;
  private final Function<ControlHandshake.Listener, ControlHandshake> handshakes;
  private final RetryPolicy retries;
  private final ServiceEvents events;
  private final Listener listener;

  private final Deque<InetSocketAddress> untried = new ArrayDeque<>();
  private @Nullable Promise<Channel> race;

  /** The connections of the race. */
  private final List<Dial> dials = new ArrayList<>();

  /** The connection that won the race. */
  private @Nullable Dial winner;

  private boolean unreachableLogged;
  private boolean ended;

  /**
   * Creates an attempt, which {@link #start} begins.
   *
   * @param handshakes creates the handshake of one connection
   */
  ControlAttempt(
      RelayConnector connector,
      EventLoop loop,
      Function<ControlHandshake.Listener, ControlHandshake> handshakes,
      RetryPolicy retries,
      ServiceEvents events,
      Listener listener) {
    this.connector = requireNonNull(connector, "connector");
    this.loop = requireNonNull(loop, "loop");
    this.handshakes = requireNonNull(handshakes, "handshakes");
    this.retries = requireNonNull(retries, "retries");
    this.events = requireNonNull(events, "events");
    this.listener = requireNonNull(listener, "listener");
  }

  /**
   * Begins the attempt.
   *
   * @param first the address to try first if the name has it; null for none
   */
  void start(Route relay, @Nullable InetSocketAddress first) {
    connector
        .resolve(relay, loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                untried.addAll(resolved.getNow());
                if (first != null && untried.remove(first)) {
                  untried.addFirst(first);
                }
                connect();
              } else {
                unreachable(null, resolved.cause());
                next(Failure.OTHER, unreachableLogged);
              }
            });
  }

  /** Ends the attempt without an outcome, and resets its connections. */
  void cancel() {
    ended = true;
    if (race != null) {
      race.cancel(false);
    }
    if (winner != null && winner.channel != null) {
      Sockets.reset(winner.channel);
    }
  }

  private void connect() {
    if (ended) {
      return;
    }
    unreachableLogged = false;
    dials.clear();
    winner = null;
    race = ConnectRace.start(untried, this::dial, loop);
    race.addListener(
        (Future<Channel> connected) -> {
          if (connected.isSuccess()) {
            connected(connected.getNow());
          } else {
            next(Failure.OTHER, unreachableLogged);
          }
        });
  }

  private Future<Channel> dial(InetSocketAddress address) {
    Dial dial = new Dial(address);
    dials.add(dial);
    return connector
        .connect(address, Preamble.Kind.CONTROL, loop, handshakes.apply(dial))
        .addListener(
            (Future<Channel> connected) -> {
              if (connected.isSuccess()) {
                dial.channel = connected.getNow();
              } else {
                dials.remove(dial);
                unreachable(address, connected.cause());
              }
            });
  }

  private void unreachable(@Nullable InetSocketAddress address, Throwable cause) {
    if (!ended) {
      unreachableLogged |= events.controlUnreachable(address, cause, loop.ticker().nanoTime());
    }
  }

  private void connected(Channel connected) {
    if (ended) {
      Sockets.reset(connected);
      return;
    }
    for (Dial dial : dials) {
      if (dial.channel == connected) {
        winner = dial;
      } else {
        untried.addFirst(dial.address); // its connection is reset, but it may lead to a relay
      }
    }
  }

  /** One connection of the race. Passes on the outcome of its handshake if it is the winner. */
  private final class Dial implements ControlHandshake.Listener {
    final InetSocketAddress address;
    @Nullable Channel channel;

    Dial(InetSocketAddress address) {
      this.address = address;
    }

    private boolean isUsed() {
      return winner == this && !ended;
    }

    @Override
    public void authenticated(ChannelHandlerContext ctx, byte[] channelBinding) {
      if (isUsed()) {
        ended = true;
        listener.attached(address, ctx, channelBinding);
      } else {
        ctx.close();
      }
    }

    @Override
    public void impostor() {
      if (isUsed()) {
        events.controlImpostor(address);
        next(Failure.OTHER, true);
      }
    }

    @Override
    public void refused() {
      if (isUsed()) {
        events.controlRefused(address, retries.refused());
        next(Failure.REFUSED, true);
      }
    }

    @Override
    public void failed(@Nullable Throwable cause) {
      if (!isUsed()) {
        return;
      }
      if (cause instanceof VersionRefusedException) {
        events.controlVersion(address, cause);
        next(Failure.VERSION, true);
      } else if (MisclassifiedException.isCauseOf(cause) && retries.misclassified()) {
        events.controlMisclassified(address);
        next(Failure.MISCLASSIFIED, true);
      } else {
        boolean logged = events.controlFailed(address, cause, loop.ticker().nanoTime());
        next(Failure.OTHER, logged);
      }
    }
  }

  /** Tries the remaining addresses at once, or ends the attempt if there are none. */
  private void next(Failure failure, boolean logged) {
    if (ended) {
      return;
    }
    if (untried.isEmpty()) {
      ended = true;
      listener.failed(failure, logged);
    } else {
      connect();
    }
  }
}
