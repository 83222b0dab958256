package io.c2crelay.it.hostile;

import static io.c2crelay.it.hostile.EchoLatencyProbe.percentile;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.hostile.ConnectionFlood.Close;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** During each attack from one address, a user from another address is served quickly. */
@Tag("full")
@Isolated("measures latency")
@Timeout(90)
class StarvationIT {

  private static final String HOSTILE = "127.0.0.66";
  private static final String USER = "127.0.0.7";
  private static final int MAX_OPEN = 3_000;

  /** New connections per 500 ms. */
  private static final int WAVE = 500;

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration ATTACK_TIME = Duration.ofSeconds(5);

  /**
   * The goal is a p99 of 250 ms. Here attacker, relay, agent, target and user share the cores of
   * one machine, so the first burst may take longer. A FIFO queue kept users waiting for 16 s.
   */
  private static final long MEDIAN_MILLIS = 250;

  private static final long MAX_MILLIS = 2_000;

  @RegisterExtension final Harness harness = Harness.perTest();

  enum Attack {
    SILENT(new byte[0], Close.NONE),
    PREFIXES(Arrays.copyOf(Wire.magic(), 7), Close.NONE),
    CONNECT_AND_CLOSE(new byte[] {'x'}, Close.FIN),
    CONNECT_AND_RESET(new byte[] {'x'}, Close.RESET),
    SESSIONS(new byte[] {'x'}, Close.NONE),
    PREAMBLES(Wire.preamble(Wire.KIND_CONTROL), Close.NONE);

    private final byte[] payload;
    private final Close close;

    Attack(byte[] payload, Close close) {
      this.payload = payload;
      this.close = close;
    }
  }

  static Stream<Arguments> attacksAndDescriptors() {
    return Stream.of(1_024, 16_384)
        .flatMap(limit -> Stream.of(Attack.values()).map(attack -> Arguments.of(attack, limit)));
  }

  @ParameterizedTest
  @MethodSource("attacksAndDescriptors")
  void userFromAnotherAddressIsServed(Attack attack, int descriptors) throws Exception {
    RelayProcess relay =
        Pair.of(harness, harness.target(Behaviour.ECHO))
            .both(launch -> launch.unitJvm().descriptors(descriptors))
            .start()
            .relay();
    for (int i = 0; i < 200; i++) {
      serve(relay); // warm up the JVM
    }
    List<Long> before = new ArrayList<>();
    serve(relay, before, Duration.ofSeconds(2));
    List<Long> micros = new ArrayList<>();
    try (ConnectionFlood flood = ConnectionFlood.start(relay.address())) {
      long end = System.nanoTime() + ATTACK_TIME.toNanos();
      for (int wave = MAX_OPEN; System.nanoTime() < end; wave = WAVE) {
        int missing = Math.min(wave, MAX_OPEN - flood.open() - flood.connecting());
        for (int i = 0; i < missing; i++) {
          flood.add(HOSTILE, attack.payload, attack.close);
        }
        serve(relay, micros, Duration.ofMillis(500));
      }
      Measured.report(
          "starvation",
          "attack=%s descriptors=%d p99_before=%dms served=%d median=%.1fms p99=%dms slowest=%dms",
          attack,
          descriptors,
          percentile(before, 99) / 1000,
          micros.size(),
          percentile(micros, 50) / 1e3,
          percentile(micros, 99) / 1000,
          percentile(micros, 100) / 1000);
    }
    assertThat(percentile(micros, 50)).isLessThan(TimeUnit.MILLISECONDS.toMicros(MEDIAN_MILLIS));
    assertThat(percentile(micros, 100)).isLessThan(TimeUnit.MILLISECONDS.toMicros(MAX_MILLIS));
  }

  private void serve(RelayProcess relay, List<Long> micros, Duration time) throws Exception {
    long end = System.nanoTime() + time.toNanos();
    while (System.nanoTime() < end) {
      micros.add(serve(relay));
      TimeUnit.MILLISECONDS.sleep(10);
    }
  }

  /** Returns the microseconds from connect to echo. */
  private static long serve(RelayProcess relay) {
    long begin = System.nanoTime();
    try (TcpEnd user = TcpEnd.connectFrom(USER, relay.address())) {
      user.timeout((int) SOON.toMillis()).echo("hello");
      long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin);
      user.finish().receiveAll();
      return micros;
    }
  }
}
