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
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
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
  private final InetSocketAddress address;
  private final AtomicReference<@Nullable Dispatcher> users;
  private boolean closesWithoutAgent;
  private boolean available;
  private boolean removed;

  /** Null while closed. */
  private @Nullable Channel socket;

  /** The close or the retry to come. */
  private @Nullable Future<?> pending;

  /** Completes when the last socket is closed: the address cannot be bound before. */
  private @Nullable Future<?> closed;

  private ServicePort(
      Listener listener,
      EventExecutor loop,
      int configuredPort,
      AtomicReference<@Nullable Dispatcher> users,
      Channel socket) {
    this.listener = listener;
    this.loop = loop;
    events = listener.events();
    this.configuredPort = configuredPort;
    this.users = users;
    this.socket = socket;
    address = (InetSocketAddress) socket.localAddress();
  }

  /**
   * Opens a port; users are reset until {@link #serve}.
   *
   * @param loop the dispatchers' loop
   * @param address where to listen; port 0 is replaced by a free one
   */
  public static Future<ServicePort> open(
      Listener listener, EventExecutor loop, InetSocketAddress address) {
    AtomicReference<@Nullable Dispatcher> users = new AtomicReference<>();
    Promise<ServicePort> opened = loop.newPromise();
    ChannelFuture bound = listener.bind(address, users::get);
    bound.addListener(
        done -> {
          if (done.isSuccess()) {
            opened.setSuccess(
                new ServicePort(listener, loop, address.getPort(), users, bound.channel()));
          } else {
            opened.setFailure(done.cause());
          }
        });
    return opened;
  }

  /** The port of the configuration, which may be 0. */
  public int configuredPort() {
    return configuredPort;
  }

  /** The address of the port, also while it is closed. */
  public InetSocketAddress address() {
    return address;
  }

  /**
   * Accepts users for a service, instead of another.
   *
   * @param closeWithoutAgent whether the socket is closed while the service has no agent
   */
  public void serve(Dispatcher dispatcher, boolean closeWithoutAgent) {
    users.set(dispatcher);
    loop.execute(() -> closesWithoutAgent = closeWithoutAgent);
    dispatcher.availabilityListener(this);
  }

  @Override
  public void availabilityChanged(Dispatcher dispatcher, boolean nowAvailable) {
    if (dispatcher == users.get()) {
      available = nowAvailable;
      update();
    }
  }

  private void update() {
    cancelPending();
    boolean open = available || !closesWithoutAgent;
    if (open && socket == null && !removed) {
      openOnceClosed();
    } else if (!open && socket != null) {
      pending = loop.schedule(this::closeWithoutAgent, CLOSE_DELAY_SECONDS, TimeUnit.SECONDS);
    }
  }

  private void cancelPending() {
    if (pending != null) {
      pending.cancel(false);
      pending = null;
    }
  }

  private void openOnceClosed() {
    if (closed == null || closed.isDone()) {
      open();
    } else {
      closed.addListener(done -> loop.execute(this::update));
    }
  }

  private void open() {
    ChannelFuture bound = listener.bind(address, users::get);
    socket = bound.channel();
    bound.addListener(done -> loop.execute(() -> bound(bound)));
  }

  private void bound(ChannelFuture bound) {
    if (socket != bound.channel() || listener.isDraining()) {
      return;
    }
    if (bound.isSuccess()) {
      events.portOpened(service(), address.getPort());
    } else {
      socket = null;
      events.portFailed(service(), address.getPort(), bound.cause());
      pending = loop.schedule(this::update, RETRY_SECONDS, TimeUnit.SECONDS);
    }
  }

  private void closeWithoutAgent() {
    closeSocket();
    events.portClosed(service(), address.getPort());
  }

  private void closeSocket() {
    if (socket != null) {
      closed = socket.close();
      socket = null;
    }
  }

  /** Closes the port for good. */
  public void close() {
    loop.execute(
        () -> {
          removed = true;
          cancelPending();
          closeSocket();
        });
  }

  private ServiceName service() {
    return requireNonNull(users.get()).service();
  }
}
