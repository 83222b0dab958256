package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.faults.Accounts.Kind;
import io.c2crelay.it.faults.Accounts.User;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
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

/** More users come than a process has file descriptors for. */
@Tag("full")
@Timeout(120)
class ExhaustionIT {

  private static final String NOTE = "note=\"allow it more file descriptors ";
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private final Accounts accounts = new Accounts();
  private final Target target = harness.keep(Target.start(accounts));

  private static Launch limited(Launch launch, int descriptors) {
    return launch.wrappedIn("/bin/sh", "-c", "ulimit -n " + descriptors + " && exec \"$@\"", "sh");
  }

  private List<User> crowd(int size, int port) {
    List<User> crowd = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      crowd.add(accounts.connect(Kind.IDLE, port));
    }
    return crowd;
  }

  /**
   * A loop that spins takes a core; a JVM that still compiles what it did has been seen at 0.24.
   */
  private static void assertDoesNotSpin(JarProcess process) throws InterruptedException {
    long before = Footprint.of(process).cpuMillis();
    Thread.sleep(3_000);
    long taken = Footprint.of(process).cpuMillis() - before;
    assertThat(taken).as("milliseconds of CPU in 3 s").isLessThan(1_500);
  }

  @Test
  void aRelayWithoutADescriptorLeftAcceptsLaterAndDoesNotSpin() throws Exception {
    RelayProcess relay =
        harness.relay(
            limited(
                    Launch.relay(
                        "0", "--max-sessions", "500", "--wait", "6", "--log-level", "debug"),
                    128)
                .key(key));
    AgentProcess agent = harness.agent(key, target.port(), relay.port());
    relay.awaitLog("descriptors\\.few limit=128 max_sessions=500 ", SOON);
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    int descriptors = Footprint.of(relay).descriptors();
    User established = accounts.connect(Kind.BULK, relay.port());

    List<User> crowd = crowd(200, relay.port());
    relay.awaitLog("accept\\.paused cause=.*Too many open files\" " + NOTE, SOON);
    assertThat(Footprint.of(relay).descriptors()).isEqualTo(128);
    established.awaitProgress(SOON);
    established.stop(); // so that what is measured is the waiting
    assertDoesNotSpin(relay);

    crowd.forEach(User::stop);
    crowd.forEach(user -> user.settle(SOON)); // those who waited in vain are reset
    established.settleInOrder(SOON);
    accounts.settle(SOON);
    accounts.connect(Kind.SHORT, relay.port()).settleInOrder(SOON);
    relay.awaitCounts(
        SOON, "agents=1", "warm=4", "tokens=0", "waiting=0", "sessions=0", "buffered=0");
    Footprint.awaitDescriptors(relay, descriptors, SOON);
    assertThat(relay.lines("accept\\.paused ")).hasSize(1);
    assertThat(agent.lines("control\\.lost ")).isEmpty();
  }

  @Test
  void anAgentWithoutADescriptorLeftStaysAttachedAndServesAgain() throws Exception {
    RelayProcess relay = harness.relay(key, "--log-level", "debug");
    AgentProcess agent =
        harness.agent(
            limited(
                    Launch.agent("" + target.port(), "127.0.0.1", "" + relay.port())
                        .arguments("--log-level", "debug"),
                    80)
                .key(key));
    relay.awaitCounts(SOON, "agents=1", "warm=4");
    int descriptors = Footprint.of(agent).descriptors();
    User established = accounts.connect(Kind.BULK, relay.port());

    List<User> crowd = crowd(100, relay.port());
    agent.awaitLog("sockets\\.exhausted cause=.*Too many open files\" " + NOTE, SOON);
    relay.awaitLog("session\\.close .*reason=LIMIT", SOON);
    established.awaitProgress(SOON);
    established.stop();
    assertDoesNotSpin(agent);

    crowd.forEach(User::stop);
    long served = crowd.stream().filter(user -> user.settle(SOON) == Ending.FIN).count();
    assertThat(served).as("of 100").isBetween(5L, 99L);
    established.settleInOrder(SOON);
    accounts.settle(SOON);
    accounts.connect(Kind.SHORT, relay.port()).settleInOrder(SOON);
    relay.awaitCounts(SOON, "agents=1", "warm=4", "tokens=0", "waiting=0", "sessions=0");
    agent.awaitCounts(SOON, "sessions=0", "buffered=0");
    Footprint.awaitDescriptors(agent, descriptors, SOON);
    assertThat(agent.lines("sockets\\.exhausted ")).hasSize(1);
    assertThat(agent.lines("control\\.lost ")).isEmpty();
  }

  static Stream<Arguments> tooFew() {
    String[] many = {"--threads", "64"};
    return Stream.of(
        Arguments.of(Launch.relay("0"), 40, "only 40 file descriptors are allowed"),
        Arguments.of(
            Launch.agent("22", "127.0.0.1", "1"), 40, "only 40 file descriptors are allowed"),
        Arguments.of(
            Launch.relay("0").arguments(many),
            100,
            "event loops do not start: .*Too many open files"),
        Arguments.of(
            Launch.agent("22", "127.0.0.1", "1").arguments(many),
            100,
            "event loops do not start: .*Too many open files"));
  }

  @ParameterizedTest(name = "{2}")
  @MethodSource("tooFew")
  void tooFewToStartWithIsOneLineAndExitCode1(Launch launch, int descriptors, String line) {
    JarProcess process = harness.command(limited(launch.key(key), descriptors));
    assertThat(process.awaitExit(SOON)).isEqualTo(1);
    assertThat(process.stdout()).isEmpty();
    assertThat(process.stderr()).singleElement().asString().containsPattern(line);
  }
}
