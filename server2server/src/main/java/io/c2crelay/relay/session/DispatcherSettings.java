package io.c2crelay.relay.session;

import java.time.Duration;

/** What the dispatcher is told by the command line. Immutable. */
public final class DispatcherSettings {
  private final int pool;
  private final Duration queueTimeout;
  private final int maxSessions;
  private final int maxSessionsPerNetwork;

  private DispatcherSettings(
      int pool, Duration queueTimeout, int maxSessions, int maxSessionsPerNetwork) {
    this.pool = pool;
    this.queueTimeout = queueTimeout;
    this.maxSessions = maxSessions;
    this.maxSessionsPerNetwork = maxSessionsPerNetwork;
  }

  /**
   * Settings.
   *
   * @param pool warm connections kept per agent; 0 dials for each session
   * @param queueTimeout how long a user waits for a data connection
   * @param maxSessions users at a time, waiting ones too
   * @param maxSessionsPerNetwork those of one client network
   */
  public static DispatcherSettings of(
      int pool, Duration queueTimeout, int maxSessions, int maxSessionsPerNetwork) {
    return new DispatcherSettings(pool, queueTimeout, maxSessions, maxSessionsPerNetwork);
  }

  /** Settings without a limit by network. */
  public static DispatcherSettings of(int pool, Duration queueTimeout, int maxSessions) {
    return of(pool, queueTimeout, maxSessions, maxSessions);
  }

  int pool() {
    return pool;
  }

  Duration queueTimeout() {
    return queueTimeout;
  }

  int maxSessions() {
    return maxSessions;
  }

  int maxSessionsPerNetwork() {
    return maxSessionsPerNetwork;
  }

  /** Users that have not shown to be users: a quarter at most. */
  int maxSilent() {
    return Math.max(1, maxSessions / 4);
  }
}
