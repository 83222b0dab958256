package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.relay.events.RelayEvents;
import io.netty.util.concurrent.EventExecutor;
import org.jspecify.annotations.Nullable;

/**
 * Whether a service has an agent that takes sessions. Logs each change but the first, and tells the
 * listener. Runs on the dispatcher's loop.
 */
final class Availability {
  private final Dispatcher dispatcher;
  private final EventExecutor loop;
  private final RelayEvents events;
  private boolean available;
  private boolean wasAvailable;
  private long lostNanos;
  private @Nullable AvailabilityListener listener;

  Availability(Dispatcher dispatcher, EventExecutor loop, RelayEvents events) {
    this.dispatcher = requireNonNull(dispatcher, "dispatcher");
    this.loop = requireNonNull(loop, "loop");
    this.events = requireNonNull(events, "events");
  }

  /** Replaces the listener, and tells it the present state. */
  void listener(AvailabilityListener newListener) {
    listener = newListener;
    newListener.availabilityChanged(dispatcher, available);
  }

  void update(boolean nowAvailable) {
    if (nowAvailable == available) {
      return;
    }
    available = nowAvailable;
    if (!available) {
      wasAvailable = true;
      lostNanos = loop.ticker().nanoTime();
      events.serviceUnavailable(dispatcher.service());
    } else if (wasAvailable) {
      events.serviceAvailable(dispatcher.service(), loop.ticker().nanoTime() - lostNanos);
    }
    if (listener != null) {
      listener.availabilityChanged(dispatcher, available);
    }
  }
}
