package io.c2crelay.it.faults;

import io.c2crelay.it.faults.VerifiedSessions.Scenario;
import io.c2crelay.it.faults.VerifiedSessions.User;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Kills a process repeatedly, in each {@link Phase} in turn, after a seeded random delay. */
final class KillRounds {

  /** Per process; 12 are two of each phase. */
  static final int KILLS = Integer.getInteger("it.kills", 12);

  /** The activity during which the process is killed. */
  enum Phase {
    /** No users. */
    IDLE(250),
    /** Users are queued while the agent attaches. */
    ATTACHING(1_000),
    /** Users are queued while the agent dials; there are no warm connections. */
    DIALLING(80),
    /** Users are assigned to warm connections. */
    STARTING(40),
    /** Continuous bytes both ways. */
    BULK(300),
    /** Continuous bytes to users that have sent FIN. */
    HALF_CLOSED(300);

    private final int maxDelayMillis;

    Phase(int maxDelayMillis) {
      this.maxDelayMillis = maxDelayMillis;
    }

    /** The sessions that begin with the phase. */
    List<Scenario> sessions() {
      switch (this) {
        case IDLE:
          return List.of();
        case ATTACHING:
          return List.of(Scenario.SHORT, Scenario.BULK, Scenario.IDLE);
        case DIALLING:
          return List.of(
              Scenario.SHORT, Scenario.BULK, Scenario.IDLE, Scenario.HALF_CLOSED, Scenario.SHORT);
        case STARTING:
          return List.of(Scenario.SHORT, Scenario.BULK, Scenario.HALF_CLOSED);
        case BULK:
          return List.of(Scenario.BULK, Scenario.BULK, Scenario.IDLE);
        default:
          return List.of(Scenario.HALF_CLOSED, Scenario.HALF_CLOSED, Scenario.BULK);
      }
    }
  }

  private final VerifiedSessions sessions;
  private final Random random;
  private final List<User> users = new ArrayList<>();
  private final List<Long> outageMillis = new ArrayList<>();
  private int kills;
  private long killedAt;
  private int sessionCount;
  private int resets;

  KillRounds(VerifiedSessions sessions, long seed) {
    this.sessions = sessions;
    random = new Random(seed);
  }

  /** Samples leaks only, as a killed process has little time to detect one. */
  static Launch simpleLeakDetection(Launch launch) {
    return launch.jvmArgs("-Dio.netty.leakDetection.level=simple");
  }

  static Phase phase(int round) {
    return Phase.values()[round % Phase.values().length];
  }

  /** Connects the users of the phase, then waits for the random delay. */
  void begin(Phase phase, int port) {
    for (Scenario scenario : phase.sessions()) {
      users.add(sessions.connect(scenario, port));
    }
    try {
      Thread.sleep(random.nextInt(phase.maxDelayMillis));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  void kill(JarProcess process) {
    process.kill();
    killedAt = System.nanoTime();
    kills++;
  }

  /** Serves one user, which ends the outage since the last kill. */
  void serve(int port, Duration timeout) {
    sessions.connect(Scenario.SHORT, port).finish(timeout);
    if (kills > 0) {
      outageMillis.add(Duration.ofNanos(System.nanoTime() - killedAt).toMillis());
    }
  }

  /** Stops and verifies the sessions of the phase. */
  void end(Duration timeout) {
    users.forEach(User::stop);
    for (User user : users) {
      sessionCount++;
      resets += user.awaitVerifiedEnd(timeout) == Ending.RESET ? 1 : 0;
    }
    users.clear();
    sessions.verifyTarget(timeout);
  }

  int resets() {
    return resets;
  }

  @Override
  public String toString() {
    outageMillis.sort(null);
    return String.format(
        "%d kills, %d sessions: %d completed, %d reset; outage %d ms (median), %d ms (maximum)",
        kills,
        sessionCount,
        sessionCount - resets,
        resets,
        outageMillis.get(outageMillis.size() / 2),
        outageMillis.get(outageMillis.size() - 1));
  }
}
