package io.c2crelay.common.bridge;

import java.util.Collections;
import java.util.List;

/** The rate limits of a session, by direction. */
public final class SessionRates {
  /** No limits. */
  public static final SessionRates UNLIMITED =
      new SessionRates(Collections.emptyList(), Collections.emptyList());

  final List<RateLimit> toFramed;
  final List<RateLimit> toRaw;

  private SessionRates(List<RateLimit> toFramed, List<RateLimit> toRaw) {
    this.toFramed = toFramed;
    this.toRaw = toRaw;
  }

  /** Creates limits for bytes to the framed leg and to the raw leg. All limits of a list apply. */
  public static SessionRates of(List<RateLimit> toFramed, List<RateLimit> toRaw) {
    return new SessionRates(toFramed, toRaw);
  }
}
