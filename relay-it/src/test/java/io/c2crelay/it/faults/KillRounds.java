package io.c2crelay.it.faults;

import io.c2crelay.it.faults.Accounts.Kind;
import io.c2crelay.it.faults.Accounts.User;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** When a process is killed: in which phase, and how long after its beginning. Seeded. */
final class KillRounds {

  /** Of each process: each phase twice. A hundred take minutes. */
  static final int KILLS = Integer.getInteger("it.kills", 12);

  /** What is going on at that moment. */
  enum Phase {
    /** Nobody is there. */
    IDLE(250),
    /** Users wait, and the agent is about to attach. */
    ATTACHING(1_000),
    /** Users wait for data connections, none of them warm. */
    DIALLING(80),
    /** Users are given to warm connections. */
    STARTING(40),
    /** Bytes both ways. */
    BULK(300),
    /** Bytes to users who have finished. */
    HALF_CLOSED(300);

    private final int longestMillis;

    Phase(int longestMillis) {
      this.longestMillis = longestMillis;
    }

    /** Who comes at its beginning. */
    List<Kind> users() {
      switch (this) {
        case IDLE:
          return List.of();
        case ATTACHING:
          return List.of(Kind.SHORT, Kind.BULK, Kind.IDLE);
        case DIALLING:
          return List.of(Kind.SHORT, Kind.BULK, Kind.IDLE, Kind.HALF_CLOSED, Kind.SHORT);
        case STARTING:
          return List.of(Kind.SHORT, Kind.BULK, Kind.HALF_CLOSED);
        case BULK:
          return List.of(Kind.BULK, Kind.BULK, Kind.IDLE);
        default:
          return List.of(Kind.HALF_CLOSED, Kind.HALF_CLOSED, Kind.BULK);
      }
    }
  }

  private final Accounts accounts;
  private final Random random;
  private final List<User> users = new ArrayList<>();
  private final List<Long> awayMillis = new ArrayList<>();
  private int kills;
  private long killed;
  private int sessions;
  private int resets;

  KillRounds(Accounts accounts, long seed) {
    this.accounts = accounts;
    random = new Random(seed);
  }

  /** Looks less for leaks: there is no time for one to be found. */
  static Launch toBeKilled(Launch launch) {
    return launch.jvmArgs("-Dio.netty.leakDetection.level=simple");
  }

  /** Each phase as often as any other, in turn. */
  static Phase phase(int round) {
    return Phase.values()[round % Phase.values().length];
  }

  /** Brings the users of a phase, and returns at its moment. */
  void play(Phase phase, int port) {
    for (Kind kind : phase.users()) {
      users.add(accounts.connect(kind, port));
    }
    try {
      Thread.sleep(random.nextInt(phase.longestMillis));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  void kill(JarProcess process) {
    process.kill();
    killed = System.nanoTime();
    kills++;
  }

  /** A user is served in order, which ends the time since the last kill. */
  void serve(int port, Duration timeout) {
    accounts.connect(Kind.SHORT, port).settleInOrder(timeout);
    if (kills > 0) {
      awayMillis.add(Duration.ofNanos(System.nanoTime() - killed).toMillis());
    }
  }

  /** The users of the last phase come to an end; fails unless all is accounted for, in time. */
  void settle(Duration timeout) {
    users.forEach(User::stop);
    for (User user : users) {
      sessions++;
      resets += user.settle(timeout) == Ending.RESET ? 1 : 0;
    }
    users.clear();
    accounts.settle(timeout);
  }

  /** How many sessions were cut, so far. */
  int resets() {
    return resets;
  }

  @Override
  public String toString() {
    awayMillis.sort(null);
    return String.format(
        "%d kills, %d sessions under way: %d ended in order, %d were reset; users were served again"
            + " after %d ms (median), %d ms (longest)",
        kills,
        sessions,
        sessions - resets,
        resets,
        awayMillis.get(awayMillis.size() / 2),
        awayMillis.get(awayMillis.size() - 1));
  }
}
