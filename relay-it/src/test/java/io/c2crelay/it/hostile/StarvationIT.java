package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One address does its worst, and a user from elsewhere is served all the while. */
@Tag("full")
@Isolated("it measures")
@Timeout(90)
class StarvationIT {

  private static final String HOSTILE = "127.0.0.66";
  private static final String USER = "127.0.0.7";
  private static final int FLOOD = 3_000;

  /** Twice a second. */
  private static final int WAVE = 500;

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration WHILE = Duration.ofSeconds(5);

  /**
   * What is wanted is a p99 of 250 ms. Attacker, relay, agent, target and user share the machine's
   * cores here, so the burst at the begin may take longer; before users took turns by source they
   * waited for 16 s.
   */
  private static final long MEDIAN_MILLIS = 250;

  private static final long SLOWEST_MILLIS = 2_000;

  @RegisterExtension final Harness harness = Harness.perTest();

  /** What the hostile connections do. */
  enum Attack {
    SILENT(new byte[0], Swarm.Then.STAYS),
    PREFIXES(Arrays.copyOf(Wire.magic(), 7), Swarm.Then.STAYS),
    CONNECT_AND_CLOSE(new byte[] {'x'}, Swarm.Then.FIN),
    CONNECT_AND_RESET(new byte[] {'x'}, Swarm.Then.RESET),
    SESSIONS(new byte[] {'x'}, Swarm.Then.STAYS),
    PREAMBLES(Wire.preamble(Wire.KIND_CONTROL), Swarm.Then.STAYS);

    private final byte[] words;
    private final Swarm.Then then;

    Attack(byte[] words, Swarm.Then then) {
      this.words = words;
      this.then = then;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "SILENT, 1024",
    "PREFIXES, 1024",
    "CONNECT_AND_CLOSE, 1024",
    "CONNECT_AND_RESET, 1024",
    "SESSIONS, 1024",
    "PREAMBLES, 1024",
    "SILENT, 16384",
    "PREFIXES, 16384",
    "CONNECT_AND_CLOSE, 16384",
    "CONNECT_AND_RESET, 16384",
    "SESSIONS, 16384",
    "PREAMBLES, 16384"
  })
  void aUserFromElsewhereIsServed(Attack attack, int descriptors) throws Exception {
    String key = Harness.newKey();
    Target target = harness.keep(Target.start(Behaviour.ECHO));
    RelayProcess relay = harness.relay(limited(Launch.relay("0"), descriptors).unitJvm().key(key));
    AgentProcess agent =
        harness.agent(
            limited(Launch.agent("" + target.port(), "127.0.0.1", "" + relay.port()), descriptors)
                .unitJvm()
                .key(key));
    agent.awaitReady();
    for (int i = 0; i < 200; i++) {
      served(relay); // the JVM is warm
    }
    List<Long> calm = new ArrayList<>();
    serve(relay, calm, Duration.ofSeconds(2));
    List<Long> micros = new ArrayList<>();
    try (Swarm swarm = Swarm.around(relay.address())) {
      long end = System.nanoTime() + WHILE.toNanos();
      for (int wave = FLOOD; System.nanoTime() < end; wave = WAVE) {
        int missing = Math.min(wave, FLOOD - swarm.staying() - swarm.connecting());
        for (int i = 0; i < missing; i++) {
          swarm.add(HOSTILE, attack.words, attack.then);
        }
        serve(relay, micros, Duration.ofMillis(500));
      }
      Measured.say(
          "starvation",
          "attack=%s descriptors=%d calm_p99=%dms served=%d median=%.1fms p99=%dms slowest=%dms",
          attack,
          descriptors,
          percentile(calm, 99) / 1000,
          micros.size(),
          percentile(micros, 50) / 1e3,
          percentile(micros, 99) / 1000,
          percentile(micros, 100) / 1000);
    }
    assertThat(percentile(micros, 50)).isLessThan(TimeUnit.MILLISECONDS.toMicros(MEDIAN_MILLIS));
    assertThat(percentile(micros, 100)).isLessThan(TimeUnit.MILLISECONDS.toMicros(SLOWEST_MILLIS));
  }

  private static Launch limited(Launch launch, int descriptors) {
    return launch.wrappedIn("/bin/sh", "-c", "ulimit -n " + descriptors + " && exec \"$@\"", "sh");
  }

  private void serve(RelayProcess relay, List<Long> micros, Duration time) throws Exception {
    long end = System.nanoTime() + time.toNanos();
    while (System.nanoTime() < end) {
      micros.add(served(relay));
      TimeUnit.MILLISECONDS.sleep(10);
    }
  }

  /** From the connect to the echo, in microseconds. */
  private static long served(RelayProcess relay) {
    long begin = System.nanoTime();
    try (TcpEnd user = TcpEnd.connectFrom(USER, relay.address())) {
      user.timeout((int) SOON.toMillis()).echo("hello");
      long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin);
      user.finish().receiveAll();
      return micros;
    }
  }

  private static long percentile(List<Long> values, int percent) {
    List<Long> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100));
  }
}
