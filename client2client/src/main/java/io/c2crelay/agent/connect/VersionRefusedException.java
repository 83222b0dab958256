package io.c2crelay.agent.connect;

import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.VersionRefusal;

/** The relay and this agent have no protocol version in common. Has no stack trace. */
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
