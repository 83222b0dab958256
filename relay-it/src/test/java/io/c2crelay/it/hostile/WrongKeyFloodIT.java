package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.FaultProxy;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
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
 * Guesses of the key without end from one address, and agents behind the same: one that the relay
 * knows comes back at once; a new one is told what the README says, and is let in soon after the
 * guessing has stopped.
 */
@Tag("full")
@Isolated("it measures")
@Timeout(90)
class WrongKeyFloodIT {

  private static final int GUESSERS = 40;
  private static final Duration SOON = Duration.ofSeconds(10);

  /** A wrong proof is forgiven after 10 s; the first of those that wait may be let in then. */
  private static final Duration FORGIVEN = Duration.ofSeconds(12);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private final AtomicInteger guesses = new AtomicInteger();
  private RelayProcess relay;
  private volatile boolean over;

  @Test
  void slowsNoAgentThatIsKnown() throws Exception {
    Footprint.assumeKnown();
    Target target = harness.keep(Target.start(Behaviour.ECHO));
    relay =
        harness.relay(
            Launch.relay("--log-level", "debug", "0").unitJvm().jvmArgs(Watch.TOUCHED).key(key));
    FaultProxy network = harness.keep(FaultProxy.to(relay));
    AgentProcess known = harness.agent(key, target.port(), network.port());
    known.awaitReady();
    try (Watch watch = Watch.over(relay)) {
      long begin = System.nanoTime();
      List<Async<Integer>> guessers = new ArrayList<>();
      for (int i = 0; i < GUESSERS; i++) {
        guessers.add(Async.run(this::guess));
      }
      relay.awaitLog("auth\\.refused .*reason=THROTTLED", SOON);
      assertKnownComesBack(known, network);
      assertNewIsTold(target);
      over = true;
      for (Async<Integer> guesser : guessers) {
        guesser.get(SOON);
      }
      assertNewIsLetInSoon();
      Measured.say("wrong keys", "guesses=%d in %dms", guesses.get(), millisSince(begin));
      assertThat(guesses.get()).as("guesses").isGreaterThan(GUESSERS);
      assertThat(relay.lines("auth\\.refused "))
          .as("lines, of which 10 in 10 s")
          .hasSizeBetween(2, 11 * (1 + (int) (millisSince(begin) / 10_000)));
      known.close();
      watch.assertFlat("wrong keys", 48, 32, "handshakes=0", "agents=0", "sessions=0");
    }
  }

  private int guess() {
    int refused = 0;
    while (!over) {
      RawAgent stranger = RawAgent.of(relay, "not the key, though it is long enough");
      try (RawControl control = stranger.openControl().readChallenge()) {
        control.sendAuth(stranger.claim());
        assertThat(control.connection().awaitEnd(SOON).frames()).isEmpty();
        guesses.incrementAndGet();
        refused++;
      }
    }
    return refused;
  }

  private void assertKnownComesBack(AgentProcess known, FaultProxy network) {
    int mark = known.mark();
    long begin = System.nanoTime();
    network.reset(Wire.KIND_CONTROL);
    known.awaitReady(mark);
    Measured.say("wrong keys", "the known agent was back after %dms", millisSince(begin));
    assertThat(known.lines(mark, "control\\.refused")).isEmpty();
    try (TcpEnd user = TcpEnd.connect(relay.port())) {
      user.echo("served meanwhile\n");
    }
  }

  private void assertNewIsTold(Target target) {
    AgentProcess fresh = harness.agent(key, target.port(), relay.port());
    fresh.awaitLog("control\\.refused .*the relay refused the key", Duration.ofSeconds(20));
    fresh.awaitLog("control\\.retry in=30000ms", SOON);
    fresh.close();
  }

  private void assertNewIsLetInSoon() throws InterruptedException {
    RawAgent fresh = RawAgent.of(relay, key);
    long begin = System.nanoTime();
    while (true) {
      try (RawControl control = fresh.openControl().readChallenge()) {
        control.sendAuth(fresh.claim()).readWelcome();
        break;
      } catch (AssertionError refused) {
        assertThat(Duration.ofNanos(System.nanoTime() - begin))
            .as("since the guessing stopped")
            .isLessThan(FORGIVEN);
        TimeUnit.MILLISECONDS.sleep(200);
      }
    }
    Measured.say("wrong keys", "a new agent was let in after %dms", millisSince(begin));
  }

  private static long millisSince(long begin) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
  }
}
