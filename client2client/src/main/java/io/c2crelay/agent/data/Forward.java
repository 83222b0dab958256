package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.Route;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.ServiceName;

/** A service of the relay that the agent offers: its target and the key for it. Immutable. */
public final class Forward {
  private final ServiceName service;
  private final Route target;
  private final SharedKey key;

  private Forward(ServiceName service, Route target, SharedKey key) {
    this.service = service;
    this.target = target;
    this.key = key;
  }

  public static Forward of(ServiceName service, Route target, SharedKey key) {
    return new Forward(
        requireNonNull(service, "service"),
        requireNonNull(target, "target"),
        requireNonNull(key, "key"));
  }

  public ServiceName service() {
    return service;
  }

  /** The way to the server that sessions are connected to. */
  public Route target() {
    return target;
  }

  /** The key shared with the relay for this service. */
  public SharedKey key() {
    return key;
  }
}
