package io.c2crelay.client.connect;

import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.VersionRefusal;

/**
 * The relay speaks no protocol version of this agent's. Carries no stack: nothing here is at fault.
 */
public final class VersionRefusedException extends Exception {
  private static final long serialVersionUID = 1L;

  VersionRefusedException(VersionRefusal refusal) {
    super(
        "relay_versions="
            + refusal.lowestVersion()
            + "-"
            + refusal.highestVersion()
            + " agent_versions="
            + RelayProtocol.LOWEST_VERSION
            + "-"
            + RelayProtocol.HIGHEST_VERSION,
        null,
        false,
        false);
  }
}
