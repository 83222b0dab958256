package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.ServiceName;
import java.net.InetSocketAddress;
import java.util.List;

/** What the dispatcher of a service knows at one moment. Immutable. */
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

  /** The agents that are attached. */
  public int agents() {
    return agents;
  }

  /** The data connections that are ready for a user. */
  public int warm() {
    return warm;
  }

  /** The users that wait. */
  public int waiting() {
    return waiting;
  }

  /** The addresses of users that wait, in the order in which they may be served; not of all. */
  public List<InetSocketAddress> firstWaiting() {
    return firstWaiting;
  }
}
