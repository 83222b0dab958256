package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * A flood of wrong keys from an address that agents share. A known agent reconnects at once. A new
 * agent logs the refusal, and attaches soon after the flood ends.
 */
@Tag("full")
@Isolated("measures memory")
@Timeout(90)
class WrongKeyFloodIT {

  private static final int GUESSERS = 40;
  private static final Duration SOON = Duration.ofSeconds(10);

  /** The throttle admits one attempt in 10 s; the rest is margin. */
  private static final Duration THROTTLE_TIME = Duration.ofSeconds(12);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final AtomicInteger guesses = new AtomicInteger();
  private Pair known;
  private volatile boolean stopped;

  @Test
  void knownAgentIsNotThrottled() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    known = Pair.of(harness, target).relay(Launch::measured).throughProxy().start();
    RelayProcess relay = known.relay();
    try (ResourceMonitor monitor = ResourceMonitor.start(relay)) {
      Stopwatch watch = Stopwatch.start();
      List<Async<Integer>> guessers = new ArrayList<>();
      for (int i = 0; i < GUESSERS; i++) {
        guessers.add(Async.run(this::guess));
      }
      relay.awaitLog("auth\\.refused .*reason=THROTTLED", SOON);
      assertKnownAgentReconnects();
      assertNewAgentIsRefused(target);
      stopped = true;
      for (Async<Integer> guesser : guessers) {
        guesser.get(SOON);
      }
      assertNewAgentAttaches();
      Measured.report("wrong keys", "guesses=%d in %dms", guesses.get(), millis(watch));
      assertThat(guesses.get()).as("guesses").isGreaterThan(GUESSERS);
      assertThat(relay.lines("auth\\.refused "))
          .as("log lines, at most 10 in 10 s")
          .hasSizeBetween(2, 11 * (1 + (int) (millis(watch) / 10_000)));
      known.agent().close();
      monitor.assertBounded("wrong keys", 48, 32, "agents=0");
    }
  }

  private int guess() {
    int refused = 0;
    while (!stopped) {
      RawAgent guesser = RawAgent.of(known.relay(), "not the key, though it is long enough");
      try (RawControl control = guesser.openControl().readChallenge()) {
        control.sendAuth(guesser.claim());
        assertThat(control.connection().awaitEnd(SOON).frames()).isEmpty();
        guesses.incrementAndGet();
        refused++;
      }
    }
    return refused;
  }

  private void assertKnownAgentReconnects() {
    int mark = known.agent().mark();
    Stopwatch watch = Stopwatch.start();
    known.network().reset(Wire.KIND_CONTROL);
    known.agent().awaitReady(mark);
    Measured.report("wrong keys", "known agent reconnected after %dms", millis(watch));
    assertThat(known.agent().lines(mark, "control\\.refused")).isEmpty();
    try (TcpEnd user = known.user()) {
      user.echo("served during the flood\n");
    }
  }

  private void assertNewAgentIsRefused(Target target) {
    AgentProcess newAgent = harness.agent(known.key(), target.port(), known.port());
    newAgent.awaitLog("control\\.refused .*the relay refused the key", Duration.ofSeconds(20));
    newAgent.awaitLog("control\\.retry .*in=30000ms", SOON);
    newAgent.close();
  }

  private void assertNewAgentAttaches() throws InterruptedException {
    RawAgent newAgent = RawAgent.of(known.relay(), known.key());
    Stopwatch watch = Stopwatch.start();
    while (true) {
      try (RawControl control = newAgent.openControl().readChallenge()) {
        control.sendAuth(newAgent.claim()).readWelcome();
        break;
      } catch (AssertionError refused) {
        assertThat(watch.elapsed()).as("time since the flood ended").isLessThan(THROTTLE_TIME);
        TimeUnit.MILLISECONDS.sleep(200);
      }
    }
    Measured.report("wrong keys", "new agent attached after %dms", millis(watch));
  }

  private static long millis(Stopwatch watch) {
    return watch.elapsed().toMillis();
  }
}
