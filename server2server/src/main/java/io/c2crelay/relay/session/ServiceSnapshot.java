package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ServiceName;
import java.net.InetSocketAddress;
import java.util.List;

/** The state of a service's dispatcher at one moment. Immutable. */
public final class ServiceSnapshot {
  private final ServiceName service;
  private final boolean ready;
  private final int agents;
  private final int warm;
  private final int waiting;
  private final List<InetSocketAddress> firstWaiting;

  ServiceSnapshot(
      ServiceName service,
      boolean ready,
      int agents,
      int warm,
      int waiting,
      List<InetSocketAddress> firstWaiting) {
    this.service = service;
    this.ready = ready;
    this.agents = agents;
    this.warm = warm;
    this.waiting = waiting;
    this.firstWaiting = firstWaiting;
  }

  public ServiceName service() {
    return service;
  }

  /** Whether an agent takes new sessions. */
  public boolean isReady() {
    return ready;
  }

  /** The number of attached agents. */
  public int agents() {
    return agents;
  }

  /** The number of data connections that are ready for a user. */
  public int warm() {
    return warm;
  }

  /** The number of waiting users. */
  public int waiting() {
    return waiting;
  }

  /** The addresses of the first waiting users, in the order in which they may be served. */
  public List<InetSocketAddress> firstWaiting() {
    return firstWaiting;
  }
}
