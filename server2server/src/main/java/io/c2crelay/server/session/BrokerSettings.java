package io.c2crelay.server.session;

import java.time.Duration;

/** What the broker is told by the command line. Immutable. */
public final class BrokerSettings {
  private final int pool;
  private final Duration waitLimit;
  private final int maxSessions;

  private BrokerSettings(int pool, Duration waitLimit, int maxSessions) {
    this.pool = pool;
    this.waitLimit = waitLimit;
    this.maxSessions = maxSessions;
  }

  /**
   * Settings.
   *
   * @param pool warm connections kept per agent; 0 dials for each session
   * @param waitLimit how long a user waits for a data connection
   * @param maxSessions users at a time, waiting ones too
   */
  public static BrokerSettings of(int pool, Duration waitLimit, int maxSessions) {
    return new BrokerSettings(pool, waitLimit, maxSessions);
  }

  int pool() {
    return pool;
  }

  Duration waitLimit() {
    return waitLimit;
  }

  int maxSessions() {
    return maxSessions;
  }

  /** Users that have not shown to be users: a quarter at most. */
  int maxTentative() {
    return Math.max(1, maxSessions / 4);
  }
}
