package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.faults.VerifiedSessions.Scenario;
import io.c2crelay.it.faults.VerifiedSessions.User;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * SIGKILL of the relay or the agent, repeatedly, in each {@link Phase} in turn, after seeded random
 * delays.
 */
@Order(4)
@Tag("full")
@Timeout(900) // enough for 100 kills
@Execution(ExecutionMode.CONCURRENT) // both at once
class KilledIT {

  /** Per process; 12 are two of each phase. */
  private static final int KILLS = Integer.getInteger("it.kills", 12);

  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private final int port = Ports.free();
  private final VerifiedSessions sessions = new VerifiedSessions();
  private final Target target = harness.target(sessions);
  private final List<User> users = new ArrayList<>();
  private final List<Long> outageMillis = new ArrayList<>();
  private boolean killsRelay;
  private RelayProcess relay;
  private AgentProcess agent;
  private int sessionCount;
  private int resets;

  /** The activity during which the process is killed. */
  enum Phase {
    /** No users. */
    IDLE(250),
    /** Users are queued while the agent attaches. */
    ATTACHING(1_000, Scenario.SHORT, Scenario.BULK, Scenario.IDLE),
    /** Users are queued while the agent dials; there are no warm connections. */
    DIALLING(
        80, Scenario.SHORT, Scenario.BULK, Scenario.IDLE, Scenario.HALF_CLOSED, Scenario.SHORT),
    /** Users are assigned to warm connections. */
    STARTING(40, Scenario.SHORT, Scenario.BULK, Scenario.HALF_CLOSED),
    /** Continuous bytes both ways. */
    BULK(300, Scenario.BULK, Scenario.BULK, Scenario.IDLE),
    /** Continuous bytes to users that have sent FIN. */
    HALF_CLOSED(300, Scenario.HALF_CLOSED, Scenario.HALF_CLOSED, Scenario.BULK);

    private final int maxDelayMillis;

    /** The sessions that begin with the phase. */
    private final List<Scenario> scenarios;

    Phase(int maxDelayMillis, Scenario... scenarios) {
      this.maxDelayMillis = maxDelayMillis;
      this.scenarios = List.of(scenarios);
    }

    static Phase of(int round) {
      return values()[round % values().length];
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"relay", "agent"})
  void sessionsAreResetAndTheNextProcessServes(String killed) throws Exception {
    killsRelay = killed.equals("relay");
    startRelay(Phase.of(0));
    relay.awaitListening();
    startAgent();
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    JarProcess survivor = killsRelay ? agent : relay;
    int descriptors = Footprint.of(survivor).descriptors();
    Random delays = new Random(killsRelay ? 3 : 4);
    Stopwatch sinceKill = null;

    for (int round = 0; round < KILLS; round++) {
      Phase phase = Phase.of(round);
      awaitPhase(phase);
      boolean agentDials = !killsRelay && phase == Phase.DIALLING; // a first user would wait for it
      if (phase != Phase.ATTACHING && !agentDials) {
        serve(sinceKill);
      }
      phase.scenarios.forEach(scenario -> users.add(sessions.connect(scenario, port)));
      Thread.sleep(delays.nextInt(phase.maxDelayMillis));
      if (killsRelay) {
        relay.kill();
        sinceKill = Stopwatch.start();
        startRelay(Phase.of(round + 1));
      } else {
        agent.kill();
        sinceKill = Stopwatch.start();
        startAgent();
      }
      endSessions();
    }

    awaitPhase(Phase.IDLE);
    serve(sinceKill);
    if (killsRelay) {
      agent.awaitIdle(SOON);
    } else {
      relay.awaitIdle(SOON, "agents=1", "warm=4", "tokens=0");
    }
    outageMillis.sort(null);
    Measured.report(
        "kills of the " + killed,
        "%d kills, %d sessions: %d completed, %d reset; outage %d ms (median), %d ms (maximum)",
        KILLS,
        sessionCount,
        sessionCount - resets,
        resets,
        outageMillis.get(outageMillis.size() / 2),
        outageMillis.get(outageMillis.size() - 1));
    assertThat(resets).as("of %d sessions", sessionCount).isGreaterThanOrEqualTo(KILLS);
    Footprint.awaitDescriptors(survivor, descriptors, SOON);
  }

  private void startRelay(Phase phase) {
    String pool = killsRelay && phase == Phase.DIALLING ? "0" : "4";
    Launch launch = Launch.relay("" + port, "--pool", pool).debug().key(key);
    relay = harness.relay(killsRelay ? simpleLeakDetection(launch) : launch);
  }

  private void startAgent() {
    Launch launch = Launch.agent(target.port(), port).debug().key(key);
    agent = harness.agent(killsRelay ? launch : simpleLeakDetection(launch));
  }

  /** Samples leaks only, as a killed process has little time to detect one. */
  private static Launch simpleLeakDetection(Launch launch) {
    return launch.jvmArgs("-Dio.netty.leakDetection.level=simple");
  }

  /** Waits until the new process has started and, but for ATTACHING, the agent is attached. */
  private void awaitPhase(Phase phase) {
    if (killsRelay) {
      relay.awaitListening();
      if (phase != Phase.ATTACHING) {
        relay.awaitLog("agent\\.attached ", SOON);
      }
    } else if (phase == Phase.ATTACHING) {
      agent.awaitLog("agent\\.started ", SOON);
    } else {
      agent.awaitReady();
    }
  }

  /** Serves one user, which ends the outage since the last kill, if there was one. */
  private void serve(Stopwatch sinceKill) {
    sessions.connect(Scenario.SHORT, port).finish(SOON);
    if (sinceKill != null) {
      outageMillis.add(sinceKill.elapsed().toMillis());
    }
  }

  /** Stops and verifies the sessions of the phase. */
  private void endSessions() {
    users.forEach(User::stop);
    for (User user : users) {
      sessionCount++;
      resets += user.awaitVerifiedEnd(SOON) == Ending.RESET ? 1 : 0;
    }
    users.clear();
    sessions.verifyTarget(SOON);
  }
}
