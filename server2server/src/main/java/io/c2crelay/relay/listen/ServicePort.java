package io.c2crelay.relay.listen;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.AvailabilityListener;
import io.c2crelay.relay.session.Dispatcher;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseNotifier;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The port of a service. With {@code --close-without-agent} its listening socket is closed while
 * the service has no agent, and opened again for the first one. Methods may be called on any
 * thread; the state is confined to the dispatchers' loop.
 */
public final class ServicePort implements AvailabilityListener {
  /** An agent that reconnects within this time leaves the socket open. */
  private static final long CLOSE_DELAY_SECONDS = 5;

  private static final long RETRY_SECONDS = 1;

  private final Listener listener;
  private final EventExecutor loop;
  private final RelayEvents events;
  private final int configuredPort;
  private volatile InetSocketAddress address;
  private volatile @Nullable Dispatcher users;
  private boolean closesWithoutAgent;
  private boolean wanted = true;
  private boolean removed;

  /** Null while closed. */
  private volatile @Nullable Channel socket;

  /** Null unless the socket is being bound. */
  private @Nullable Promise<Void> opening;

  /** The close of the last socket: the address cannot be bound before it. */
  private Future<Void> closed;

  /** Closes the socket, or tries to bind it again. */
  private @Nullable Future<?> timer;

  private boolean loggedClosed;
  private boolean loggedFailed;

  /**
   * Creates a closed port without users.
   *
   * @param loop the dispatchers' loop
   * @param address where to listen; port 0 stands for a free one, which is then kept
   */
  public ServicePort(Listener listener, EventExecutor loop, InetSocketAddress address) {
    this.listener = requireNonNull(listener, "listener");
    this.loop = requireNonNull(loop, "loop");
    events = listener.events();
    configuredPort = address.getPort();
    this.address = address;
    closed = loop.newSucceededFuture(null);
  }

  /** The port of the configuration, which may be 0. */
  public int configuredPort() {
    return configuredPort;
  }

  /** The address of the port, also while it is closed. */
  public InetSocketAddress address() {
    return address;
  }

  public boolean isOpen() {
    return socket != null;
  }

  /**
   * Opens the port unless it is open. Users are reset until {@link #serve}.
   *
   * @return completes when the port is open, or cannot be opened
   */
  public Future<Void> open() {
    Promise<Void> opened = loop.newPromise();
    loop.execute(() -> PromiseNotifier.cascade(bind(), opened));
    return opened;
  }

  /**
   * Accepts users for a service, instead of another.
   *
   * @param closeWithoutAgent whether the port is closed while the service has no agent
   */
  public void serve(Dispatcher dispatcher, boolean closeWithoutAgent) {
    users = dispatcher;
    loop.execute(() -> closesWithoutAgent = closeWithoutAgent);
    dispatcher.availabilityListener(this);
  }

  /** Closes the port for good. */
  public void close() {
    loop.execute(
        () -> {
          removed = true;
          cancelTimer();
          closeSocket();
        });
  }

  @Override
  public void availabilityChanged(Dispatcher dispatcher, boolean available) {
    boolean nowWanted = available || !closesWithoutAgent;
    if (dispatcher == users && nowWanted != wanted) {
      wanted = nowWanted;
      cancelTimer();
      update();
    }
  }

  /** Begins to open or close the socket, if that is wanted. */
  private void update() {
    if (removed) {
      closeSocket();
    } else if (timer == null && opening == null && !listener.isDraining()) {
      if (wanted && socket == null) {
        bind();
      } else if (!wanted && socket != null) {
        timer = loop.schedule(this::closeWithoutAgent, CLOSE_DELAY_SECONDS, TimeUnit.SECONDS);
      }
    }
  }

  private void cancelTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private void closeWithoutAgent() {
    timer = null;
    if (!listener.isDraining()) {
      ServiceName service = service();
      closeSocket();
      closed.addListener(done -> events.portClosed(service, address.getPort()));
      loggedClosed = true;
    }
  }

  private void closeSocket() {
    if (socket != null) {
      closed = socket.close();
      socket = null;
    }
  }

  private Future<Void> bind() {
    if (socket != null) {
      return loop.newSucceededFuture(null);
    }
    if (opening == null) {
      opening = loop.newPromise();
      closed.addListener(
          done -> {
            ChannelFuture bound = listener.bind(address, () -> users);
            bound.addListener(settled -> loop.execute(() -> bound(bound)));
          });
    }
    return opening;
  }

  private void bound(ChannelFuture bound) {
    Promise<Void> result = requireNonNull(opening);
    opening = null;
    if (bound.isSuccess()) {
      opened(bound.channel());
      result.setSuccess(null);
    } else {
      if (users != null && wanted) {
        retry(bound.cause());
      }
      result.setFailure(bound.cause());
    }
    update();
  }

  private void opened(Channel channel) {
    cancelTimer();
    socket = channel;
    address = (InetSocketAddress) channel.localAddress();
    if (loggedClosed) {
      events.portOpened(service(), address.getPort());
    }
    loggedClosed = false;
    loggedFailed = false;
  }

  private void retry(Throwable cause) {
    if (!loggedFailed) {
      events.portFailed(service(), address.getPort(), cause);
      loggedFailed = true;
    }
    if (timer == null) {
      timer =
          loop.schedule(
              () -> {
                timer = null;
                update();
              },
              RETRY_SECONDS,
              TimeUnit.SECONDS);
    }
  }

  private ServiceName service() {
    return requireNonNull(users).service();
  }
}
