package io.c2crelay.common.cli;

import io.c2crelay.common.transport.Transport;
import java.util.Locale;

/** The values of {@code --transport}. */
public enum TransportChoice {
  AUTO,
  EPOLL,
  KQUEUE,
  NIO;

  /**
   * Returns the transport to use.
   *
   * @throws StartupException if it is not available on this machine
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
