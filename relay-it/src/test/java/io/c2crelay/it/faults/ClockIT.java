package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.faults.Accounts.Kind;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
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
 * The wall clock of relay and agent jumps by hours and days, forth and back, all the time; or it is
 * wrong by decades. Nothing that they do goes by it.
 */
@Tag("full")
@Timeout(120)
@Execution(ExecutionMode.CONCURRENT) // most of it is waiting
class ClockIT {

  private static final List<String> JUMPS = List.of("+3h", "-6h", "+400d", "-1d", "+0");

  /** Longer than {@link Clock#SEEN_MILLIS}, so that no process misses the same jump every time. */
  private static final long STEP_MILLIS = Clock.SEEN_MILLIS + 200;

  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Duration FOUR_SECONDS = Duration.ofSeconds(4);

  /** On a machine that is busy with other tests; each jump would make it hours or nothing. */
  private static final Duration FOUR_SECONDS_AT_MOST = Duration.ofSeconds(12);

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static final String KEY = Harness.newKey();
  private static final Accounts ACCOUNTS = new Accounts();
  private static final ScheduledExecutorService STEPS =
      Executors.newSingleThreadScheduledExecutor();

  @TempDir static Path directory;

  private static Clock clock;
  private static RelayProcess relay;
  private static AgentProcess agent;
  private static int steps;

  @BeforeAll
  static void startOnAClockThatJumps() throws Exception {
    clock = Clock.assumeThere(directory);
    Target target = SHARED.keep(Target.start(ACCOUNTS));
    relay =
        SHARED.relay(clock.on(Launch.relay("0", "--pool", "0", "--idle-timeout", "4s").key(KEY)));
    String port = "" + relay.port();
    agent = SHARED.agent(clock.on(Launch.agent("" + target.port(), "127.0.0.1", port).key(KEY)));
    agent.awaitReady();
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

  /** Each user costs a token and a dial. Their log lines show that the clock does jump. */
  @Test
  void usersAreServedWhileTheClockJumps() {
    await()
        .atMost(SOON)
        .until(
            () -> {
              ACCOUNTS.connect(Kind.SHORT, relay.port()).settleInOrder(SOON);
              return sees(relay) && sees(agent);
            });
  }

  /** Whether its lines tell of days ahead and hours back. */
  private static boolean sees(JarProcess process) {
    List<OffsetDateTime> times =
        process.lines("session\\.open ").stream()
            .map(line -> OffsetDateTime.parse(line.text().split(" ")[0]))
            .toList();
    OffsetDateTime now = OffsetDateTime.now();
    return times.stream().anyMatch(now.plusDays(300)::isBefore)
        && times.stream().anyMatch(now.minusHours(3)::isAfter);
  }

  @Test
  void aSessionIsIdleAfterItsTimeoutAndNoSooner() {
    Accounts.User busy = ACCOUNTS.connect(Kind.BULK, relay.port());
    long begin = System.nanoTime();
    Accounts.User idle = ACCOUNTS.connect(Kind.IDLE, relay.port());
    assertThat(idle.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(since(begin)).isBetween(FOUR_SECONDS, FOUR_SECONDS_AT_MOST);
    busy.settleInOrder(SOON);
  }

  @Test
  void aUserWaitsForAnAgentAsLongAsAskedForAndNoLonger() throws Exception {
    RelayProcess lonely = harness.relay(clock.on(Launch.relay("0", "--wait", "4").key(KEY)));
    lonely.awaitListening();
    long begin = System.nanoTime();
    try (TcpEnd user = TcpEnd.connect(lonely.port()).send("hello")) {
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
    assertThat(since(begin)).isBetween(FOUR_SECONDS, FOUR_SECONDS_AT_MOST);
  }

  /** Five wrong proofs at once, then one in 10 s. */
  @Test
  void guessesAreSlowedDownAsLongAsAskedForAndNoLonger() throws Exception {
    RawAgent stranger = RawAgent.of(relay, "not the key at all, but long enough");
    int mark = relay.mark();
    long begin = System.nanoTime();
    for (int i = 0; i < 5; i++) {
      guess(stranger);
    }
    long first = relay.awaitLog(mark, "auth\\.refused .*WRONG_KEY", SOON).nanos();
    await().atMost(SOON).until(() -> relay.lines(mark, "auth\\.refused .*WRONG_KEY").size() == 5);
    Thread.sleep(2 * STEP_MILLIS);
    guess(stranger);
    relay.awaitLog(mark, "auth\\.refused .*THROTTLED", SOON);
    assertThat(since(begin)).as("else this test was too slow").isLessThan(Duration.ofSeconds(10));
    Thread.sleep(Math.max(0, Duration.ofMillis(10_500).minus(since(first)).toMillis()));
    guess(stranger);
    await().atMost(SOON).until(() -> relay.lines(mark, "auth\\.refused .*WRONG_KEY").size() == 6);
  }

  private void guess(RawAgent stranger) {
    RawControl control = harness.keep(stranger.openControl().readChallenge());
    control.sendAuth(stranger.claim());
  }

  /** For longer than a PING and its deadline take. */
  @Test
  void theAgentStaysAttached() throws Exception {
    long ready = agent.awaitReady().nanos();
    Thread.sleep(Math.max(0, Duration.ofSeconds(28).minus(since(ready)).toMillis()));
    assertThat(agent.lines("control\\.lost ")).isEmpty();
    assertThat(agent.lines("dial\\.failed ")).isEmpty();
    ACCOUNTS.connect(Kind.SHORT, relay.port()).settleInOrder(SOON);
  }

  /** The relay's certificate is not valid yet, or not any more, whichever TLS looks at it. */
  @ParameterizedTest
  @ValueSource(strings = {"@1975-01-01 00:00:00", "@2100-01-01 00:00:00"})
  void aClockThatIsWrongByDecadesKeepsNoAgentAway(String time) throws Exception {
    Clock wrong = Clock.assumeThere(directory);
    wrong.set(time);
    Target target = harness.keep(Target.start(ACCOUNTS));
    RelayProcess far = harness.relay(wrong.on(Launch.relay("0").key(KEY)));
    assertThat(far.awaitListening().text()).startsWith(time.substring(1, 5));
    Launch boringssl = Launch.agent("" + target.port(), "127.0.0.1", "" + far.port()).key(KEY);
    Launch jdk =
        Launch.agent("" + target.port(), "127.0.0.1", "" + far.port())
            .key(KEY)
            .jvmArgs("-Dio.netty.handler.ssl.noOpenSsl=true");
    AgentProcess one = harness.agent(boringssl);
    AgentProcess two = harness.agent(jdk);
    one.awaitReady();
    two.awaitReady();
    one.awaitLog("agent\\.started .*tls=boringssl", SOON);
    two.awaitLog("agent\\.started .*tls=jdk", SOON);
    ACCOUNTS.connect(Kind.SHORT, far.port()).settleInOrder(SOON);
    ACCOUNTS.connect(Kind.SHORT, far.port()).settleInOrder(SOON);
  }
}
