package io.c2crelay.it.programs;

import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Pair;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** One pair for each {@link Placement}, with the same target. */
final class PlacedPairs {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** The end of a session of a misclassified connection. */
  private static final String MISCLASSIFIED = "session\\.close .*reason=MISCLASSIFIED";

  private final Map<Placement, Pair> pairs;

  private PlacedPairs(Map<Placement, Pair> pairs) {
    this.pairs = pairs;
  }

  static PlacedPairs start(Harness harness, int targetPort) {
    Map<Placement, Pair> pairs = new EnumMap<>(Placement.class);
    for (Placement placement : Placement.values()) {
      if (placement.isAvailable()) {
        pairs.put(placement, placement.start(harness, targetPort));
      }
    }
    return new PlacedPairs(pairs);
  }

  /** Returns the pair of this placement; skips the test if the host lacks the address. */
  Pair at(Placement placement) {
    assumeTrue(
        pairs.containsKey(placement), "no local address " + placement.agent() + " for the agent");
    return pairs.get(placement);
  }

  /**
   * Fails unless agents and users connected from the addresses of the placements and all sessions
   * end. Call it after the target has closed.
   */
  void check() {
    List<Async<LogLine>> counts = new ArrayList<>();
    pairs.forEach(
        (placement, pair) -> {
          check(pair.relay().lines("agent\\.attached "), "address", placement.agent());
          check(sessionsOfUsers(pair), "user", Placement.USERS);
          counts.add(Async.run(() -> pair.relay().awaitIdle(SOON)));
          counts.add(Async.run(() -> pair.agent().awaitIdle(SOON)));
        });
    counts.forEach(count -> count.get(SOON.plusSeconds(1)));
  }

  /**
   * Fails unless the relay opened {@code count} sessions of users since the mark. Misclassified
   * connections of an agent, whose preamble was late, are not counted.
   */
  static void assertSessions(Pair pair, int mark, int count) {
    await("sessions in the relay's log")
        .atMost(SOON)
        .untilAsserted(
            () -> assertThat(opened(pair, mark) - misclassified(pair, mark)).isEqualTo(count));
  }

  private static int opened(Pair pair, int mark) {
    return pair.relay().lines(mark, "session\\.open ").size();
  }

  private static int misclassified(Pair pair, int mark) {
    return pair.relay().lines(mark, MISCLASSIFIED).size();
  }

  private static List<LogLine> sessionsOfUsers(Pair pair) {
    Set<String> misclassified =
        pair.relay().lines(MISCLASSIFIED).stream().map(line -> line.value("id")).collect(toSet());
    return pair.relay().lines("session\\.open ").stream()
        .filter(line -> !misclassified.contains(line.value("id")))
        .toList();
  }

  private static void check(List<LogLine> lines, String key, String host) {
    assertThat(lines).as("lines with " + key + "=").isNotEmpty();
    assertThat(lines)
        .allSatisfy(line -> assertThat(hostOf(line.value(key))).isEqualTo(address(host)));
  }

  private static InetAddress hostOf(String hostAndPort) {
    return address(hostAndPort.substring(0, hostAndPort.lastIndexOf(':')));
  }

  private static InetAddress address(String literal) {
    try {
      return InetAddress.getByName(literal);
    } catch (UnknownHostException e) {
      throw new AssertionError("not an address: " + literal, e);
    }
  }
}
