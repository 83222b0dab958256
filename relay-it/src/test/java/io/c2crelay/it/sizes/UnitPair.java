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
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.SystemdUnit;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.Target;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A relay and an agent with the JVM flags of their systemd units. Records their resources when
 * idle, and verifies later that they return to them.
 */
final class UnitPair {

  private static final Duration SOON = Duration.ofSeconds(20);

  /** Long enough for idle threads to end. */
  private static final Duration IDLE_TIMEOUT = Duration.ofSeconds(60);

  private static final int WARM_UP = 50;

  /** In this time, connections without a session return to the pool or close. */
  private static final int RETURN_SECONDS = 6;

  /** With the default of {@code --pool}. */
  private static final String[] RELAY_IDLE = {"agents=1", "warm=4", "tokens=0"};

  private static final long MIB = 1024 * 1024;

  /** Resident memory besides heap and direct memory: the JVM, compiled code, TLS. */
  private static final long OTHER_MEMORY = 128 * MIB;

  private final RelayProcess relay;
  private final AgentProcess agent;
  private final FaultProxy network;
  private IdleFootprint relayIdle;
  private IdleFootprint agentIdle;

  private UnitPair(Pair pair) {
    relay = pair.relay();
    agent = pair.agent();
    network = pair.network();
  }

  static UnitPair start(Harness harness, Target target) {
    return new UnitPair(Pair.of(harness, target).both(Launch::measured).start());
  }

  /** The agent connects through {@link #network}. */
  static UnitPair startWithFaults(Harness harness, Target target) {
    return new UnitPair(Pair.of(harness, target).both(Launch::measured).throughProxy().start());
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

  /** Requires a {@code SequenceEchoTarget}. */
  void shortSession(int session, int length) throws IOException {
    try (TalkingUser user = TalkingUser.connect(address(), session)) {
      user.send(length);
      user.receive(length);
      user.finish();
    }
  }

  /** Runs sessions of several sizes, then {@link #recordIdle}. */
  void warmUp() throws Exception {
    for (int session = 0; session < WARM_UP; session++) {
      shortSession(session, 100 + session * 1_000);
    }
    TimeUnit.SECONDS.sleep(RETURN_SECONDS);
    recordIdle();
  }

  UsageStopwatch stopwatch() {
    return UsageStopwatch.start(relay, agent);
  }

  void awaitSessions(int count) {
    relay.awaitCounts(SOON, "sessions=" + count);
    agent.awaitCounts(SOON, "sessions=" + count);
  }

  /**
   * Fails unless both buffer more than {@code bytes} and stay within the memory limits of their
   * units.
   */
  void assertBuffered(long bytes) {
    assertBuffered(relay, SystemdUnit.of("server2server"), bytes);
    assertBuffered(agent, SystemdUnit.of("client2client"), bytes);
  }

  private static void assertBuffered(JarProcess process, SystemdUnit unit, long bytes) {
    LogLine counts = process.counts();
    long buffered = Long.parseLong(counts.value("buffered"));
    long direct = Long.parseLong(counts.value("direct"));
    long heapLimit = unit.megabytes("-Xmx") * MIB;
    long directLimit = unit.megabytes("-XX:MaxDirectMemorySize=") * MIB;
    long peak = Footprint.of(process).peakKb() * 1024;
    Measured.report(
        "buffered for stalled readers",
        "%s: buffered=%d direct=%d peak=%d",
        process.name(),
        buffered,
        direct,
        peak);
    assertThat(buffered).as("bytes buffered by %s", process.name()).isGreaterThan(bytes);
    assertThat(direct).as("direct memory of %s", process.name()).isLessThan(directLimit);
    assertThat(peak)
        .as("peak resident memory of %s", process.name())
        .isLessThan(heapLimit + directLimit + OTHER_MEMORY);
  }

  /** Waits until both are idle and records their resources. */
  void recordIdle() {
    Async<IdleFootprint> agentResult = Async.run(() -> IdleFootprint.of(agent));
    relayIdle = IdleFootprint.of(relay, RELAY_IDLE);
    agentIdle = agentResult.get(SOON);
  }

  /**
   * Fails unless counts, descriptors, threads and memory return to the recorded values within the
   * timeout; {@code slackMib} is allowed for resident and direct memory.
   */
  void assertIdle(String what, long slackMib) {
    Async<Void> agentResult = Async.run(() -> assertIdle(what, agent, agentIdle, slackMib));
    assertIdle(what, relay, relayIdle, slackMib, RELAY_IDLE);
    agentResult.get(IDLE_TIMEOUT);
  }

  private static Void assertIdle(
      String what, JarProcess process, IdleFootprint before, long slackMib, String... counts) {
    await()
        .atMost(IDLE_TIMEOUT)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofSeconds(2))
        .untilAsserted(
            () -> {
              IdleFootprint now = IdleFootprint.of(process, counts);
              now.assertNoGrowth(before, slackMib * 1024);
              Measured.report("after " + what, "%s: %s -> %s", process.name(), before, now);
            });
    return null;
  }
}
