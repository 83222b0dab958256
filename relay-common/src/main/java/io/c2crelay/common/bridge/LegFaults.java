package io.c2crelay.common.bridge;

import io.netty.handler.codec.DecoderException;
import java.io.IOException;
import java.nio.channels.NotYetConnectedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells a network's faults, which are daily bread, from our own. */
final class LegFaults {
  private static final Logger log = LoggerFactory.getLogger(LegFaults.class);

  private LegFaults() {}

  static void log(Throwable cause) {
    boolean network =
        cause instanceof IOException
            || cause instanceof NotYetConnectedException // ENOTCONN, of a connection that was reset
            || cause instanceof DecoderException;
    if (network) {
      log.debug("leg.failed cause={}", cause.toString());
    } else {
      log.error("leg.failed", cause);
    }
  }
}
