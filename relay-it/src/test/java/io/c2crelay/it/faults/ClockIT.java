package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.faults.VerifiedSessions.Scenario;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The wall clock of relay and agent jumps continuously by hours and days in both directions, or is
 * wrong by decades. No timeout and no certificate check may depend on it.
 */
@Tag("full")
@Timeout(120)
@Execution(ExecutionMode.CONCURRENT) // most of it is waiting
class ClockIT {

  private static final List<String> JUMPS = List.of("+3h", "-6h", "+400d", "-1d", "+0");

  /** Longer than the lag, so that no process misses the same jump every time. */
  private static final long STEP_MILLIS = FakeClock.MAX_LAG_MILLIS + 200;

  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Duration FOUR_SECONDS = Duration.ofSeconds(4);

  /** Allows for concurrent tests; with the wall clock it would be hours or zero. */
  private static final Duration FOUR_SECONDS_LIMIT = Duration.ofSeconds(12);

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private static final VerifiedSessions SESSIONS = new VerifiedSessions();
  private static final ScheduledExecutorService STEPS =
      Executors.newSingleThreadScheduledExecutor();

  @TempDir static Path directory;

  private static FakeClock clock;
  private static RelayProcess relay;
  private static AgentProcess agent;
  private static int steps;

  @BeforeAll
  static void startWithJumpingClock() throws Exception {
    clock = FakeClock.assumeAvailable(directory);
    Pair pair =
        Pair.of(SHARED, SHARED.target(SESSIONS))
            .both(clock::applyTo)
            .relayOptions("--pool", "0", "--idle-timeout", "4s")
            .start();
    relay = pair.relay();
    agent = pair.agent();
    STEPS.scheduleAtFixedRate(ClockIT::step, 0, STEP_MILLIS, TimeUnit.MILLISECONDS);
  }

  private static void step() {
    try {
      clock.set(JUMPS.get(steps++ % JUMPS.size()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @AfterAll
  static void stop() {
    STEPS.shutdownNow();
  }

  private static Duration since(long nanos) {
    return Duration.ofNanos(System.nanoTime() - nanos);
  }

  /** Runs until the log timestamps of both processes show jumps in both directions. */
  @Test
  void jumpsDoNotAffectSessions() {
    await()
        .atMost(SOON)
        .until(
            () -> {
              SESSIONS.connect(Scenario.SHORT, relay.port()).finish(SOON);
              return sawJumps(relay) && sawJumps(agent);
            });
  }

  private static boolean sawJumps(JarProcess process) {
    List<OffsetDateTime> times =
        process.lines("session\\.open ").stream()
            .map(line -> OffsetDateTime.parse(line.text().split(" ")[0]))
            .toList();
    OffsetDateTime now = OffsetDateTime.now();
    return times.stream().anyMatch(now.plusDays(300)::isBefore)
        && times.stream().anyMatch(now.minusHours(3)::isAfter);
  }

  @Test
  void jumpsDoNotAffectIdleTimeout() {
    VerifiedSessions.User busy = SESSIONS.connect(Scenario.BULK, relay.port());
    Stopwatch watch = Stopwatch.start();
    VerifiedSessions.User idle = SESSIONS.connect(Scenario.IDLE, relay.port());
    assertThat(idle.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(watch.elapsed()).isBetween(FOUR_SECONDS, FOUR_SECONDS_LIMIT);
    busy.finish(SOON);
  }

  @Test
  void jumpsDoNotAffectQueueTimeout() {
    RelayProcess agentless =
        harness.relay(clock.applyTo(Launch.relay("0", "--queue-timeout", "4").key(key)));
    agentless.awaitListening();
    Stopwatch watch = Stopwatch.start();
    assertThat(harness.user(agentless.port()).send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(watch.elapsed()).isBetween(FOUR_SECONDS, FOUR_SECONDS_LIMIT);
  }

  /** The throttle admits five wrong proofs at once, then one in 10 s. */
  @Test
  void jumpsDoNotAffectAuthThrottle() throws Exception {
    RawAgent guesser = RawAgent.of(relay, "not the key at all, but long enough");
    int mark = relay.mark();
    Stopwatch watch = Stopwatch.start();
    for (int i = 0; i < 5; i++) {
      guess(guesser);
    }
    long first = relay.awaitLog(mark, "auth\\.refused .*WRONG_KEY", SOON).nanos();
    await().atMost(SOON).until(() -> relay.lines(mark, "auth\\.refused .*WRONG_KEY").size() == 5);
    Thread.sleep(2 * STEP_MILLIS);
    guess(guesser);
    relay.awaitLog(mark, "auth\\.refused .*THROTTLED", SOON);
    assertThat(watch.elapsed()).as("time until throttled").isLessThan(Duration.ofSeconds(10));
    Thread.sleep(Math.max(0, Duration.ofMillis(10_500).minus(since(first)).toMillis()));
    guess(guesser);
    await().atMost(SOON).until(() -> relay.lines(mark, "auth\\.refused .*WRONG_KEY").size() == 6);
  }

  private void guess(RawAgent guesser) {
    RawControl control = harness.keep(guesser.openControl().readChallenge());
    control.sendAuth(guesser.claim());
  }

  /** Waits longer than a PING and its deadline take. */
  @Test
  void jumpsDoNotAffectHeartbeat() throws Exception {
    long ready = agent.awaitReady().nanos();
    Thread.sleep(Math.max(0, Duration.ofSeconds(28).minus(since(ready)).toMillis()));
    assertThat(agent.lines("control\\.lost ")).isEmpty();
    assertThat(agent.lines("dial\\.failed ")).isEmpty();
    SESSIONS.connect(Scenario.SHORT, relay.port()).finish(SOON);
  }

  /** The relay's certificate is not yet valid or expired; checked with both TLS providers. */
  @ParameterizedTest
  @ValueSource(strings = {"@1975-01-01 00:00:00", "@2100-01-01 00:00:00"})
  void certificateDatesAreIgnored(String time) throws Exception {
    FakeClock wrong = FakeClock.assumeAvailable(directory);
    wrong.set(time);
    Target target = harness.target(SESSIONS);
    RelayProcess skewed = harness.relay(wrong.applyTo(Launch.relay("0").key(key)));
    assertThat(skewed.awaitListening().text()).startsWith(time.substring(1, 5));
    AgentProcess one = harness.agent(key, target.port(), skewed.port());
    AgentProcess two =
        harness.agent(
            Launch.agent(target.port(), skewed.port())
                .key(key)
                .jvmArgs("-Dio.netty.handler.ssl.noOpenSsl=true"));
    one.awaitReady();
    two.awaitReady();
    one.awaitLog("agent\\.started .*tls=boringssl", SOON);
    two.awaitLog("agent\\.started .*tls=jdk", SOON);
    SESSIONS.connect(Scenario.SHORT, skewed.port()).finish(SOON);
    SESSIONS.connect(Scenario.SHORT, skewed.port()).finish(SOON);
  }
}
