package io.c2crelay.common.cli;

import io.c2crelay.common.transport.Transport;
import java.util.Locale;

/** What {@code --transport} accepts. */
public enum TransportChoice {
  AUTO,
  EPOLL,
  KQUEUE,
  NIO;

  /**
   * The transport meant here.
   *
   * @throws StartupException if it does not load on this machine
   */
  public Transport transport() throws StartupException {
    if (this == AUTO) {
      return Transport.best();
    }
    Transport transport = Transport.valueOf(name());
    if (!transport.available()) {
      throw new StartupException(
          "--transport " + name().toLowerCase(Locale.ROOT) + " is not available on this machine");
    }
    return transport;
  }
}
