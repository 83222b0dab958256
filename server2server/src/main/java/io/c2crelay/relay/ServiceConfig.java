package io.c2crelay.relay;

import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.KeySource;
import io.c2crelay.common.protocol.ServiceName;

/** One service: the port of its users and the keys of its agents. Immutable. */
final class ServiceConfig {
  final ServiceName name;

  /** The port to listen on, 0 for a free one. */
  final int port;

  final KeySource keys;

  /**
   * @param option the name of the port in messages
   * @throws IllegalArgumentException if the port is out of range
   */
  ServiceConfig(String option, ServiceName name, int port, KeySource keys) {
    this.name = name;
    this.port = Checks.range(option, port, 0, 65535);
    this.keys = keys;
  }
}
