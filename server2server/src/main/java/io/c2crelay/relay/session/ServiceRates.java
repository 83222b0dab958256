package io.c2crelay.relay.session;

import io.c2crelay.common.bridge.RateLimit;
import io.c2crelay.common.bridge.SessionRates;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The limits on the bytes per second of a service and of each of its sessions, per direction. */
final class ServiceRates {
  private final long bytesPerSecondOfSession;
  private final long bytesPerSecondOfService;
  private final @Nullable RateLimit up;
  private final @Nullable RateLimit down;

  /**
   * Creates limits; 0 is no limit.
   *
   * @param ofSession the limit of each session
   * @param ofService the limit of all sessions of the service together
   */
  ServiceRates(long ofSession, long ofService, long nowNanos) {
    bytesPerSecondOfSession = ofSession;
    bytesPerSecondOfService = ofService;
    up = ofService == 0 ? null : RateLimit.of(ofService, nowNanos);
    down = ofService == 0 ? null : RateLimit.of(ofService, nowNanos);
  }

  /** Whether the limits have these values. */
  boolean are(long ofSession, long ofService) {
    return bytesPerSecondOfSession == ofSession && bytesPerSecondOfService == ofService;
  }

  /** The limits of a new session. On any thread. */
  SessionRates newSession(long nowNanos) {
    return bytesPerSecondOfSession == 0 && up == null
        ? SessionRates.UNLIMITED
        : SessionRates.of(limits(up, nowNanos), limits(down, nowNanos));
  }

  private List<RateLimit> limits(@Nullable RateLimit ofService, long nowNanos) {
    List<RateLimit> limits = new ArrayList<>(2);
    if (bytesPerSecondOfSession > 0) {
      limits.add(RateLimit.of(bytesPerSecondOfSession, nowNanos));
    }
    if (ofService != null) {
      limits.add(ofService);
    }
    return limits;
  }
}
