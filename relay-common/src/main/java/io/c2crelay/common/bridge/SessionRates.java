package io.c2crelay.common.bridge;

import java.util.Collections;
import java.util.List;

/** The limits of a session's bytes per second, each way. */
public final class SessionRates {
  /** Any number of bytes. */
  public static final SessionRates UNLIMITED =
      new SessionRates(Collections.emptyList(), Collections.emptyList());

  final List<RateLimit> toFramed;
  final List<RateLimit> toRaw;

  private SessionRates(List<RateLimit> toFramed, List<RateLimit> toRaw) {
    this.toFramed = toFramed;
    this.toRaw = toRaw;
  }

  /** Limits for bytes to the framed leg and to the raw leg; all of them count. */
  public static SessionRates of(List<RateLimit> toFramed, List<RateLimit> toRaw) {
    return new SessionRates(toFramed, toRaw);
  }
}
