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

  /** Whether the port is closed while no agent offers the service. */
  final boolean closeWithoutAgent;

  /**
   * @param option the name of the port in messages
   * @throws IllegalArgumentException if the port is out of range
   */
  ServiceConfig(
      String option, ServiceName name, int port, KeySource keys, boolean closeWithoutAgent) {
    this.name = name;
    this.port = Checks.range(option, port, 0, 65535);
    this.keys = keys;
    this.closeWithoutAgent = closeWithoutAgent;
  }
}
