package io.c2crelay.relay;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.protocol.ServiceName;

/** One service: the port of its users and the keys of its agents. Immutable. */
public final class ServiceConfig {
  private final ServiceName name;
  private final int port;
  private final KeySource keys;

  private ServiceConfig(ServiceName name, int port, KeySource keys) {
    this.name = name;
    this.port = port;
    this.keys = keys;
  }

  /**
   * A service.
   *
   * @param option what messages call the port
   * @param port 0 for a free one
   * @throws IllegalArgumentException if the port is out of range
   */
  public static ServiceConfig of(String option, ServiceName name, int port, KeySource keys) {
    return new ServiceConfig(
        requireNonNull(name, "name"),
        Checks.range(option, port, 0, 65535),
        requireNonNull(keys, "keys"));
  }

  public ServiceName name() {
    return name;
  }

  /** The port to listen on, 0 for a free one. */
  public int port() {
    return port;
  }

  public KeySource keys() {
    return keys;
  }
}
