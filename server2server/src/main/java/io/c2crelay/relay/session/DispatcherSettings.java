package io.c2crelay.relay.session;

import java.time.Duration;

/** The dispatcher's settings from the command line. Immutable. */
public final class DispatcherSettings {
  private final int pool;
  private final Duration queueTimeout;
  private final int maxSessions;
  private final int maxSessionsPerNetwork;
  private final long rateOfSession;
  private final long rateOfService;

  private DispatcherSettings(
      int pool,
      Duration queueTimeout,
      int maxSessions,
      int maxSessionsPerNetwork,
      long rateOfSession,
      long rateOfService) {
    this.pool = pool;
    this.queueTimeout = queueTimeout;
    this.maxSessions = maxSessions;
    this.maxSessionsPerNetwork = maxSessionsPerNetwork;
    this.rateOfSession = rateOfSession;
    this.rateOfService = rateOfService;
  }

  /**
   * Creates settings without limits per network or on bytes.
   *
   * @param pool warm connections kept per agent; 0 dials for each session
   * @param queueTimeout how long a user waits for a data connection
   * @param maxSessions maximum number of concurrent users, including waiting ones
   */
  public static DispatcherSettings of(int pool, Duration queueTimeout, int maxSessions) {
    return new DispatcherSettings(pool, queueTimeout, maxSessions, maxSessions, 0, 0);
  }

  /** The same settings with a limit on the users of one client network. */
  public DispatcherSettings withSessionsPerNetwork(int max) {
    return new DispatcherSettings(
        pool, queueTimeout, maxSessions, max, rateOfSession, rateOfService);
  }

  /**
   * The same settings with limits on the bytes per second in each direction; 0 is no limit.
   *
   * @param ofSession the limit of each session
   * @param ofService the limit of all sessions of a service together
   */
  public DispatcherSettings withRates(long ofSession, long ofService) {
    return new DispatcherSettings(
        pool, queueTimeout, maxSessions, maxSessionsPerNetwork, ofSession, ofService);
  }

  long rateOfSession() {
    return rateOfSession;
  }

  long rateOfService() {
    return rateOfService;
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

  /** The maximum number of silent users: a quarter of the sessions. */
  int maxSilent() {
    return Math.max(1, maxSessions / 4);
  }
}
