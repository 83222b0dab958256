package io.c2crelay.relay.session;

import java.time.Duration;

/** What the dispatcher is told by the command line. Immutable. */
public final class DispatcherSettings {
  private final int pool;
  private final Duration queueTimeout;
  private final int maxSessions;

  private DispatcherSettings(int pool, Duration queueTimeout, int maxSessions) {
    this.pool = pool;
    this.queueTimeout = queueTimeout;
    this.maxSessions = maxSessions;
  }

  /**
   * Settings.
   *
   * @param pool warm connections kept per agent; 0 dials for each session
   * @param queueTimeout how long a user waits for a data connection
   * @param maxSessions users at a time, waiting ones too
   */
  public static DispatcherSettings of(int pool, Duration queueTimeout, int maxSessions) {
    return new DispatcherSettings(pool, queueTimeout, maxSessions);
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

  /** Users that have not shown to be users: a quarter at most. */
  int maxSilent() {
    return Math.max(1, maxSessions / 4);
  }
}
