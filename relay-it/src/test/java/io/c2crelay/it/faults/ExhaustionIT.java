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
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** More users connect than a process has file descriptors. */
@Tag("full")
@Timeout(120)
class ExhaustionIT {

  private static final String NOTE = "note=\"raise the file descriptor limit ";
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final VerifiedSessions sessions = new VerifiedSessions();
  private final Target target = harness.target(sessions);

  private List<User> crowd(int size, int port) {
    List<User> crowd = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      crowd.add(sessions.connect(Scenario.IDLE, port));
    }
    return crowd;
  }

  /** A spinning loop uses a whole core; JIT compilation has been measured at 0.24 of one. */
  private static void assertDoesNotSpin(JarProcess process) throws InterruptedException {
    long before = Footprint.of(process).cpuMillis();
    Thread.sleep(3_000);
    long used = Footprint.of(process).cpuMillis() - before;
    assertThat(used).as("milliseconds of CPU in 3 s").isLessThan(1_500);
  }

  @Test
  void relayPausesAcceptingWithoutSpinning() throws Exception {
    Pair pair =
        Pair.of(harness, target)
            .relay(launch -> launch.debug().descriptors(128))
            .relayOptions("--max-sessions", "500", "--queue-timeout", "6")
            .start();
    RelayProcess relay = pair.relay();
    relay.awaitLog("descriptors\\.few limit=128 max_sessions=500 ", SOON);
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    int descriptors = Footprint.of(relay).descriptors();
    User established = sessions.connect(Scenario.BULK, relay.port());

    List<User> crowd = crowd(200, relay.port());
    relay.awaitLog("accept\\.paused cause=.*Too many open files\" " + NOTE, SOON);
    assertThat(Footprint.of(relay).descriptors()).isEqualTo(128);
    established.awaitProgress(SOON);
    established.stop(); // before measuring the idle process
    assertDoesNotSpin(relay);

    crowd.forEach(User::stop);
    crowd.forEach(user -> user.awaitVerifiedEnd(SOON)); // those that time out are reset
    established.finish(SOON);
    sessions.verifyTarget(SOON);
    sessions.connect(Scenario.SHORT, relay.port()).finish(SOON);
    relay.awaitIdle(SOON, "agents=1", "warm=4", "tokens=0");
    Footprint.awaitDescriptors(relay, descriptors, SOON);
    assertThat(relay.lines("accept\\.paused ")).hasSize(1);
    assertThat(pair.agent().lines("control\\.lost ")).isEmpty();
  }

  @Test
  void agentStaysAttachedAndRecovers() throws Exception {
    Pair pair =
        Pair.of(harness, target)
            .both(Launch::debug)
            .agent(launch -> launch.descriptors(80))
            .start();
    RelayProcess relay = pair.relay();
    AgentProcess agent = pair.agent();
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    int descriptors = Footprint.of(agent).descriptors();
    User established = sessions.connect(Scenario.BULK, relay.port());

    List<User> crowd = crowd(100, relay.port());
    agent.awaitLog("sockets\\.exhausted cause=.*Too many open files\" " + NOTE, SOON);
    relay.awaitLog("session\\.close .*reason=LIMIT", SOON);
    established.awaitProgress(SOON);
    established.stop();
    assertDoesNotSpin(agent);

    crowd.forEach(User::stop);
    long served = crowd.stream().filter(user -> user.awaitVerifiedEnd(SOON) == Ending.FIN).count();
    assertThat(served).as("of 100").isBetween(5L, 99L);
    established.finish(SOON);
    sessions.verifyTarget(SOON);
    sessions.connect(Scenario.SHORT, relay.port()).finish(SOON);
    relay.awaitIdle(SOON, "agents=1", "warm=4", "tokens=0");
    agent.awaitIdle(SOON);
    Footprint.awaitDescriptors(agent, descriptors, SOON);
    assertThat(agent.lines("sockets\\.exhausted ")).hasSize(1);
    assertThat(agent.lines("control\\.lost ")).isEmpty();
  }

  static Stream<Arguments> tooFewDescriptors() {
    String[] manyThreads = {"--threads", "64"};
    String few = "only 40 file descriptors are allowed";
    String none = "cannot create event loops: .*Too many open files";
    return Stream.of(
        Arguments.of(Launch.relay("0"), 40, few),
        Arguments.of(Launch.agent(22, 1), 40, few),
        Arguments.of(Launch.relay("0").arguments(manyThreads), 100, none),
        Arguments.of(Launch.agent(22, 1).arguments(manyThreads), 100, none));
  }

  @ParameterizedTest(name = "{2}")
  @MethodSource("tooFewDescriptors")
  void startupFailsWithOneLineAndExitCode1(Launch launch, int descriptors, String line) {
    JarProcess process = harness.command(launch.key(Harness.newKey()).descriptors(descriptors));
    assertThat(process.awaitExit(SOON)).isEqualTo(1);
    assertThat(process.stdout()).isEmpty();
    assertThat(process.stderr()).singleElement().asString().containsPattern(line);
  }
}
