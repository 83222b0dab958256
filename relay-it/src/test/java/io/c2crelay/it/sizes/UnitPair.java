package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.FaultProxy;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.Unit;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;

/**
 * A relay and an agent with the JVM flags of their systemd units, and what they take at rest: to
 * which they must come back, whatever happened in between.
 */
final class UnitPair {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration IDLE_THREADS_END = Duration.ofSeconds(60);
  private static final int WARM_UP = 50;
  private static final String[] RELAY_AT_REST = {
    "unidentified=0",
    "handshakes=0",
    "agents=1",
    "warm=4", // the default of --pool
    "tokens=0",
    "waiting=0",
    "sessions=0",
    "buffered=0"
  };
  private static final String[] AGENT_AT_REST = {"sessions=0", "buffered=0"};

  private static final long MIB = 1024 * 1024;

  /** What a process may have in RAM besides heap and direct memory: the JVM, its code, TLS. */
  private static final long OTHER = 128 * MIB;

  /** The heap counts whole from the start, so what grows in RAM is something else. */
  private static final String TOUCHED = "-XX:+AlwaysPreTouch";

  private final RelayProcess relay;
  private final AgentProcess agent;
  private final FaultProxy network;
  private Rest relayAtRest;
  private Rest agentAtRest;

  private UnitPair(RelayProcess relay, AgentProcess agent, FaultProxy network) {
    this.relay = relay;
    this.agent = agent;
    this.network = network;
  }

  static UnitPair start(Harness harness, int targetPort) {
    String key = Harness.newKey();
    RelayProcess relay = relay(harness, key);
    return new UnitPair(relay, agent(harness, key, targetPort, relay.port()), null);
  }

  /** The agent reaches the relay through {@link #network}. */
  static UnitPair startWithFaults(Harness harness, int targetPort) {
    String key = Harness.newKey();
    RelayProcess relay = relay(harness, key);
    FaultProxy network = harness.keep(FaultProxy.to(relay));
    return new UnitPair(relay, agent(harness, key, targetPort, network.port()), network);
  }

  private static RelayProcess relay(Harness harness, String key) {
    Footprint.assumeKnown();
    return harness.relay(
        Launch.relay("--log-level", "debug", "0").unitJvm().jvmArgs(TOUCHED).key(key));
  }

  private static AgentProcess agent(Harness harness, String key, int targetPort, int relayPort) {
    AgentProcess agent =
        harness.agent(
            Launch.agent("--log-level", "debug", "" + targetPort, "127.0.0.1", "" + relayPort)
                .unitJvm()
                .jvmArgs(TOUCHED)
                .key(key));
    agent.awaitReady();
    return agent;
  }

  RelayProcess relay() {
    return relay;
  }

  AgentProcess agent() {
    return agent;
  }

  FaultProxy network() {
    return network;
  }

  InetSocketAddress address() {
    return relay.address();
  }

  /** The target must be a {@code Ledger}. */
  void shortSession(int session, int length) throws IOException {
    try (TalkingUser user = TalkingUser.connect(address(), session)) {
      user.send(length);
      user.receive(length);
      user.finish();
    }
  }

  /** Sessions of several sizes with such a target, then {@link #rest}. */
  void warmUp() throws IOException {
    for (int session = 0; session < WARM_UP; session++) {
      shortSession(session, 100 + session * 1_000);
    }
    rest();
  }

  Stopwatch stopwatch() {
    return Stopwatch.start(relay, agent);
  }

  /** Both count so many. */
  void awaitSessions(int count) {
    relay.awaitCounts(SOON, "sessions=" + count);
    agent.awaitCounts(SOON, "sessions=" + count);
  }

  /**
   * Fails unless both hold bytes that nobody takes, as many as this at least, and no more memory
   * than their units let them have.
   */
  void assertHold(long bytes) {
    assertHolds(relay, Unit.of("server2server"), bytes);
    assertHolds(agent, Unit.of("client2client"), bytes);
  }

  private static void assertHolds(JarProcess process, Unit unit, long bytes) {
    LogLine counts = process.counts();
    long buffered = Long.parseLong(counts.value("buffered"));
    long direct = Long.parseLong(counts.value("direct"));
    long heapLimit = unit.megabytes("-Xmx") * MIB;
    long directLimit = unit.megabytes("-XX:MaxDirectMemorySize=") * MIB;
    long peak = Footprint.of(process).peakKb() * 1024;
    Measured.say(
        "held for stalled readers",
        "%s: buffered=%d direct=%d peak=%d",
        process.name(),
        buffered,
        direct,
        peak);
    assertThat(buffered).as("bytes that %s holds", process.name()).isGreaterThan(bytes);
    assertThat(direct).as("direct memory of %s", process.name()).isLessThan(directLimit);
    assertThat(peak)
        .as("the most that %s had in RAM", process.name())
        .isLessThan(heapLimit + directLimit + OTHER);
  }

  /** Waits until there is nothing to do, and remembers what that takes of the machine. */
  void rest() {
    Async<Rest> agentRests = Async.run(() -> Rest.of(agent, AGENT_AT_REST));
    relayAtRest = Rest.of(relay, RELAY_AT_REST);
    agentAtRest = agentRests.get(SOON);
  }

  /**
   * Fails unless counts, descriptors, threads and memory come back to what they were at rest, but
   * for so much of what is in RAM.
   */
  void assertBackAtRest(String what, long slackMib) {
    Async<Void> agentIsBack =
        Async.run(() -> assertBackAtRest(what, agent, agentAtRest, slackMib, AGENT_AT_REST));
    assertBackAtRest(what, relay, relayAtRest, slackMib, RELAY_AT_REST);
    agentIsBack.get(IDLE_THREADS_END);
  }

  private static Void assertBackAtRest(
      String what, JarProcess process, Rest before, long slackMib, String... counts) {
    await()
        .atMost(IDLE_THREADS_END)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofSeconds(2))
        .untilAsserted(
            () -> {
              Rest now = Rest.of(process, counts);
              now.assertBackAt(before, slackMib * 1024);
              Measured.say("after " + what, "%s: %s -> %s", process.name(), before, now);
            });
    return null;
  }
}
