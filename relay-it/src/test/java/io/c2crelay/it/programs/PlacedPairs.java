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

/** One pair for each {@link Placement}, side by side. */
final class PlacedPairs {

  private static final Duration END = Duration.ofSeconds(10);

  /** The end of what was no user's. */
  private static final String MISREAD = "session\\.close .*reason=RECLASSIFIED";

  private final Map<Placement, Pair> pairs;

  private PlacedPairs(Map<Placement, Pair> pairs) {
    this.pairs = pairs;
  }

  /** All in front of the same target. */
  static PlacedPairs start(Harness harness, int targetPort) {
    Map<Placement, Pair> pairs = new EnumMap<>(Placement.class);
    for (Placement placement : Placement.values()) {
      if (placement.isPossibleHere()) {
        pairs.put(placement, placement.start(harness, targetPort));
      }
    }
    return new PlacedPairs(pairs);
  }

  /** The pair placed like this; skips the test where this machine has no such address. */
  Pair at(Placement placement) {
    assumeTrue(
        pairs.containsKey(placement), "there is no " + placement.agent() + " here for the agent");
    return pairs.get(placement);
  }

  /**
   * To be called once the target has closed: fails unless agents and users came from where the
   * placements say, and nothing is left of the sessions.
   */
  void check() {
    List<Async<LogLine>> counts = new ArrayList<>();
    pairs.forEach(
        (placement, pair) -> {
          check(pair.relay().lines("agent\\.attached "), "address", placement.agent());
          check(sessionsOfUsers(pair), "user", Placement.USERS);
          counts.add(
              Async.run(
                  () -> pair.relay().awaitCounts(END, "sessions=0", "waiting=0", "buffered=0")));
          counts.add(Async.run(() -> pair.agent().awaitCounts(END, "sessions=0", "buffered=0")));
        });
    counts.forEach(count -> count.get(END.plusSeconds(1)));
  }

  /**
   * Fails unless the relay has begun so many sessions of users since the mark, all users being
   * served. An agent's connection whose preamble is late may have one, too, for a while.
   */
  static void expectSessions(Pair pair, int mark, int count) {
    await("sessions in the relay's log")
        .atMost(END)
        .untilAsserted(() -> assertThat(begun(pair, mark) - misread(pair, mark)).isEqualTo(count));
  }

  private static int begun(Pair pair, int mark) {
    return pair.relay().lines(mark, "session\\.open ").size();
  }

  private static int misread(Pair pair, int mark) {
    return pair.relay().lines(mark, MISREAD).size();
  }

  private static List<LogLine> sessionsOfUsers(Pair pair) {
    Set<String> misread =
        pair.relay().lines(MISREAD).stream().map(line -> line.value("id")).collect(toSet());
    return pair.relay().lines("session\\.open ").stream()
        .filter(line -> !misread.contains(line.value("id")))
        .toList();
  }

  private static void check(List<LogLine> lines, String key, String host) {
    assertThat(lines).as("lines with " + key + "=").isNotEmpty();
    assertThat(lines)
        .allSatisfy(line -> assertThat(hostOf(line.value(key))).isEqualTo(address(host)));
  }

  /** From {@code host:port}. */
  private static InetAddress hostOf(String text) {
    return address(text.substring(0, text.lastIndexOf(':')));
  }

  private static InetAddress address(String literal) {
    try {
      return InetAddress.getByName(literal);
    } catch (UnknownHostException e) {
      throw new AssertionError("no address: " + literal, e);
    }
  }
}
