package io.c2crelay.relay.session;

/** Is told when a service gets its first agent and when it loses its last. */
public interface AvailabilityListener {
  /**
   * On the dispatchers' loop.
   *
   * @param dispatcher the dispatcher of the service
   * @param available whether an agent takes sessions of the service
   */
  void availabilityChanged(Dispatcher dispatcher, boolean available);
}
