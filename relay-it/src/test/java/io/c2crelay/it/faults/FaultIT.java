package io.c2crelay.it.faults;

import static java.time.Duration.ofMillis;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RecordingEcho;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Wrong keys, failing targets, killed processes, lost connections, timeouts and overload. */
@Order(1)
@Timeout(90)
class FaultIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();

  @TempDir Path directory;

  private Target echo() {
    return harness.target(Behaviour.ECHO);
  }

  // ---- keys

  @Test
  void wrongKeyIsLogged() {
    RelayProcess relay = harness.relay(key);
    AgentProcess agent = harness.agent(Harness.newKey(), echo().port(), relay.port());
    relay.awaitLog("auth\\.refused .*from=", Duration.ofSeconds(20));
    agent.awaitLog(
        "control\\.refused .*times=1 note=\"the relay refused the key \\(or is slowing down guesses\\)\"",
        Duration.ofSeconds(20));
    assertThat(agent.wasReady()).isFalse();
    assertThat(agent.isAlive()).isTrue();
  }

  @Tag("full")
  @Test
  void failureIsLoggedOncePerCause() {
    Target noRelay = harness.keep(Target.manual());
    AgentProcess agent = harness.agent(key, Ports.free(), noRelay.port());
    for (int i = 0; i < 12; i++) {
      noRelay.next().close();
    }
    agent.awaitLog("control\\.failed", SOON);
    assertThat(agent.lines("control\\.failed"))
        .extracting(line -> line.text().replaceFirst(".* cause=", ""))
        .doesNotHaveDuplicates();
  }

  // ---- relay names with two addresses

  /** An agent for which {@code relay.test} resolves to 127.0.0.1, then 127.0.0.2. */
  private AgentProcess agentWithTwoAddresses(int targetPort, int relayPort, String... options)
      throws IOException {
    Path hosts =
        Files.writeString(
            directory.resolve("hosts"), "127.0.0.1 relay.test\n127.0.0.2 relay.test\n");
    return harness.agent(
        Launch.agent("" + targetPort, "relay.test", "" + relayPort)
            .arguments(options)
            .jvmArgs("-Djdk.net.hosts.file=" + hosts)
            .key(key));
  }

  @Test
  void triesNextAddressAfterNonRelay() throws IOException {
    RelayProcess relay = harness.relay(key, "--bind", "127.0.0.2");
    Target noRelay = harness.keep(Target.start(relay.port(), Behaviour.ECHO));
    AgentProcess agent = agentWithTwoAddresses(noRelay.port(), relay.port());
    agent.awaitReady();
    assertThat(noRelay.accepted()).isPositive();
    agent.awaitLog("control\\.ready service=default relay=127\\.0\\.0\\.2:", SOON);
  }

  @Tag("full")
  @Test
  void triesNextAddressAfterRefusedKey() throws IOException {
    RelayProcess relay = harness.relay(key, "--bind", "127.0.0.2");
    RelayProcess other =
        harness.relay(Launch.relay("--bind", "127.0.0.1", "" + relay.port()).key(Harness.newKey()));
    other.awaitListening();
    AgentProcess agent = agentWithTwoAddresses(Ports.free(), relay.port());
    agent.awaitReady();
    agent.awaitLog(
        "control\\.refused service=default relay=relay.test:\\d+ address=127.0.0.1 ", SOON);
    agent.awaitLog("control\\.ready service=default relay=127\\.0\\.0\\.2:", SOON);
  }

  /** As RFC 8305: an address that does not answer holds the attempt up for 250 ms only. */
  @Test
  void doesNotWaitForSilentAddress() throws IOException {
    RelayProcess relay = harness.relay(key, "--bind", "127.0.0.2");
    ServerSocket silent =
        harness.keep(new ServerSocket(relay.port(), 1, InetAddress.getLoopbackAddress()));
    assumeTrue(fill(harness, silent), "needs a kernel that drops SYNs when the queue is full");
    AgentProcess agent =
        agentWithTwoAddresses(Ports.free(), relay.port(), "--relay-timeout", "10s");
    LogLine started = agent.awaitLog("agent\\.started ", SOON);
    LogLine ready = agent.awaitLog("control\\.ready service=default relay=127\\.0\\.0\\.2:", SOON);
    assertThat(Duration.ofNanos(ready.nanos() - started.nanos())).isLessThan(ofMillis(8_000));
  }

  /** Fills the accept queue; returns whether the kernel then drops SYNs. */
  private static boolean fill(Harness harness, ServerSocket server) throws IOException {
    for (int i = 0; i < 10; i++) {
      Socket socket = harness.keep(new Socket());
      try {
        socket.connect(server.getLocalSocketAddress(), 300);
      } catch (SocketTimeoutException full) {
        return true;
      }
    }
    return false;
  }

  // ---- targets

  /** One relay and one agent, whose targets fail: a service each. */
  @Nested
  class Targets {
    @RegisterExtension static final Harness SHARED = Harness.perClass();
    @RegisterExtension final Harness harness = Harness.perTest();

    private static final int REFUSED = Ports.free();
    private static ServerSocket full;
    private static boolean dropsSyns;
    private static RelayProcess relay;
    private static AgentProcess agent;

    @BeforeAll
    static void start() throws IOException {
      full = SHARED.keep(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
      dropsSyns = fill(SHARED, full);
      String key = Harness.newKey();
      relay =
          SHARED.relay(
              key, "--service", "refused=0", "--service=unreachable=0", "--service=full=0");
      // TCP to the broadcast address fails at once with no route, on any network.
      agent =
          SHARED.agent(
              Launch.agent(REFUSED, relay.port("refused"))
                  .arguments("--service=refused", "--forward", "unreachable=255.255.255.255:80")
                  .arguments("--forward", "full=" + full.getLocalPort())
                  .arguments("--connect-timeout", "200ms")
                  .key(key));
      for (String service : List.of("refused", "unreachable", "full")) {
        agent.awaitLog("control\\.ready service=" + service + " ", SOON);
      }
    }

    @ParameterizedTest
    @CsvSource({
      "refused, TARGET_REFUSED",
      "unreachable, TARGET_UNREACHABLE",
      "full, TARGET_TIMEOUT",
    })
    void failedTargetResetsUser(String service, String reason) {
      if (service.equals("full")) {
        assumeTrue(dropsSyns, "needs a kernel that drops SYNs when the accept queue is full");
      }
      Stopwatch watch = Stopwatch.start();
      TcpEnd user = harness.user(relay.port(service)).send("hello");
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(4));
      relay.awaitLog("session\\.close .*service=" + service + " .*reason=" + reason, SOON);
      agent.awaitLog("session\\.failed .*service=" + service + " .*reason=" + reason, SOON);
    }

    @Test
    void targetStartedLaterIsReached() {
      harness.keep(Target.start(REFUSED, Behaviour.ECHO));
      harness.user(relay.port("refused")).echo("hello");
    }
  }

  // ---- killed processes

  @Test
  void agentReattachesAfterRelayIsKilled() {
    int port = Ports.free();
    Target target = harness.keep(Target.manual());
    RelayProcess relay = harness.relay(Launch.relay("" + port).key(key));
    relay.awaitListening();
    AgentProcess agent = harness.agent(key, target.port(), port);
    agent.awaitReady();
    TcpEnd user = harness.user(port).send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);

    relay.kill();
    assertThat(user.awaitEnd(SOON)).as("at the user").isEqualTo(Ending.RESET);
    assertThat(atTarget.awaitEnd(SOON)).as("at the target").isEqualTo(Ending.RESET);
    agent.awaitLog("control\\.lost ", SOON);

    RelayProcess restarted = harness.relay(Launch.relay("" + port).key(key));
    LogLine listening = restarted.awaitListening();
    LogLine attached = restarted.awaitLog("agent\\.attached ", SOON);
    assertThat(Duration.ofNanos(attached.nanos() - listening.nanos()))
        .isLessThan(Duration.ofSeconds(5)); // 1.5 s of back-off and two cold starts
    target.setBehaviour(Behaviour.ECHO);
    harness.user(port).echo("hello again");
  }

  @Tag("full")
  @Test
  void usersOfKilledAgentGoToOtherOrWait() {
    Target target = harness.keep(Target.manual());
    Pair pair = Pair.of(harness, target).relay(Launch::debug).start();
    TcpEnd user = harness.user(pair.port()).send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);

    RecordingEcho atOther = new RecordingEcho();
    AgentProcess other = harness.agent(pair.key(), harness.target(atOther).port(), pair.port());
    other.awaitReady();
    pair.relay().awaitCounts(SOON, "agents=2", "warm=8", "tokens=0");
    int mark = pair.relay().mark();
    pair.agent().kill();
    assertThat(user.awaitEnd(SOON)).as("at the user").isEqualTo(Ending.RESET);
    assertThat(atTarget.awaitEnd(SOON)).as("at the target").isEqualTo(Ending.RESET);
    pair.relay().awaitLog(mark, "agent\\.detached ", SOON);
    for (int i = 0; i < 10; i++) {
      harness.user(pair.port()).echo("user " + i);
    }
    assertThat(atOther.firstBytes()).hasSize(10);

    mark = pair.relay().mark();
    other.kill();
    pair.relay().awaitLog(mark, "agent\\.detached ", SOON);
    target.setBehaviour(Behaviour.ECHO);
    TcpEnd early = harness.user(pair.port()).send("early");
    harness.agent(pair.key(), target.port(), pair.port()).awaitReady();
    assertThat(early.receiveText(5)).isEqualTo("early");
    harness.user(pair.port()).echo("late");
  }

  @Test
  void lossOfEitherConnection() {
    Pair pair = Pair.of(harness, echo()).throughProxy().start();
    TcpEnd user = harness.user(pair.port()).echo("before");
    int mark = pair.agent().mark();
    assertThat(pair.network().reset(Wire.KIND_CONTROL)).isEqualTo(1);
    user.echo("meanwhile");
    pair.agent().awaitLog(mark, "control\\.lost ", SOON);
    pair.agent().awaitReady(mark);
    user.echo("after the loss of the control connection");
    assertThat(pair.network().reset(Wire.KIND_DATA)).isPositive();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    harness.user(pair.port()).echo("after the loss of all data connections");
  }

  // ---- timeouts

  @Test
  void idleAndHalfClosedSessionsAreAborted() {
    Target target = harness.keep(Target.manual());
    Pair pair =
        Pair.of(harness, target)
            .relayOptions("--idle-timeout", "6s", "--half-close-timeout", "2s")
            .start();
    Stopwatch watch = Stopwatch.start();
    TcpEnd finished = harness.user(pair.port()).send("hello").finish();
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receiveAllText()).isEqualTo("hello");
    TcpEnd silent = harness.user(pair.port()).send("hello");
    TcpEnd atTargetOfSilent = target.next();
    atTargetOfSilent.receive(5);

    assertThat(finished.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(watch.elapsed()).as("half-closed").isBetween(ofMillis(1_900), ofMillis(5_900));
    // the target has already read FIN, so only the log shows the reset
    pair.agent().awaitLog("session\\.close .*reason=IDLE", SOON);
    assertThat(silent.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(watch.elapsed()).as("silent").isGreaterThan(ofMillis(5_900));
    assertThat(atTargetOfSilent.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.relay().awaitLog("session\\.close .*reason=IDLE", SOON);
  }

  // ---- waiting users

  @Test
  void waitingUsersAreServedAfterAttach() {
    Target target = echo();
    RelayProcess relay = harness.relay(key);
    TcpEnd talking = harness.user(relay.port()).send("first");
    TcpEnd finished = harness.user(relay.port()).send("all of it").finish();
    TcpEnd silent = harness.user(relay.port());
    harness.agent(key, target.port(), relay.port()).awaitReady();
    assertThat(talking.receiveText(5)).isEqualTo("first");
    assertThat(finished.receiveAllText()).isEqualTo("all of it");
    silent.echo("now I talk");
  }

  @Test
  void queueTimeoutResetsUser() {
    RelayProcess relay = harness.relay(key, "--queue-timeout", "1");
    relay.awaitListening();
    Stopwatch watch = Stopwatch.start();
    TcpEnd user = harness.user(relay.port()).send("hello");
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    assertThat(watch.elapsed()).isBetween(Duration.ofMillis(800), Duration.ofSeconds(4));
    relay.awaitLog("user\\.reset .*reason=", SOON);
  }

  // ---- overload

  @Test
  void sessionsBeyondLimitAreReset() {
    Pair pair =
        Pair.of(harness, echo())
            .relay(launch -> launch.debug().arguments("--max-sessions", "2"))
            .start();
    TcpEnd first = harness.user(pair.port()).echo("one");
    TcpEnd second = harness.user(pair.port()).echo("two");
    assertThat(harness.user(pair.port()).send("three").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.relay().awaitLog("reason=LIMIT", SOON);
    first.echo("one again").finishCleanly();
    pair.relay().awaitCounts(SOON, "sessions=1");
    harness.user(pair.port()).echo("four");
    second.echo("two again");
  }

  @Tag("full")
  @Test
  void silentUsersDoNotExhaustSessions() {
    Target target = echo();
    Pair pair = Pair.of(harness, target).relayOptions("--max-sessions", "200").start();
    TcpEnd established = harness.user(pair.port()).echo("before");
    List<TcpEnd> idleUsers = new ArrayList<>();
    for (int i = 0; i < 2_000; i++) {
      idleUsers.add(harness.user(pair.port()));
      if (i % 100 == 0) {
        established.echo("during " + i);
      }
    }
    established.echo("with all of them there");
    harness.agent(pair.key(), target.port(), pair.port()).awaitReady();
    harness.user(pair.port()).echo("someone who talks");
    established.echo("still");
    assertThat(target.accepted()).as("sessions at the target").isLessThanOrEqualTo(200);
    idleUsers.forEach(TcpEnd::close);
    harness.user(pair.port()).echo("after");
    established.echo("after");
  }

  @Test
  void acceptRecoversFromExhaustedDescriptors() {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "needs /bin/sh");
    RelayProcess relay =
        Pair.of(harness, echo())
            .relay(launch -> launch.descriptors(200).arguments("--max-sessions", "60"))
            .start()
            .relay();
    TcpEnd established = harness.user(relay.port()).echo("before");
    List<TcpEnd> idleUsers = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      idleUsers.add(harness.user(relay.port()));
    }
    established.echo("with no descriptor left");
    idleUsers.forEach(TcpEnd::close);
    established.echo("after");
    harness.user(relay.port()).timeout(20_000).echo("served again");
    assertThat(relay.isAlive()).isTrue();
  }

  @Test
  void twoAgentsShareUsers() {
    RecordingEcho one = new RecordingEcho();
    RecordingEcho two = new RecordingEcho();
    Pair pair = Pair.of(harness, harness.target(one)).relay(Launch::debug).start();
    harness.agent(pair.key(), harness.target(two).port(), pair.port()).awaitReady();
    pair.relay().awaitCounts(SOON, "agents=2", "warm=8", "tokens=0");
    for (int i = 0; i < 20; i++) {
      harness.user(pair.port()).echo("user " + i);
    }
    assertThat(one.firstBytes().size() + two.firstBytes().size()).isEqualTo(20);
    assertThat(one.firstBytes().size()).as("users of the first agent").isBetween(5, 15);
  }

  // ---- names

  @Test
  void unknownRelayNameIsRetried() {
    AgentProcess agent = harness.agent(Launch.agent("22", "no-such-host.invalid", "4000").key(key));
    agent.awaitLog("control\\.retry .*in=", Duration.ofSeconds(20));
    assertThat(agent.isAlive()).isTrue();
    agent.terminate();
    assertThat(agent.awaitExit(Duration.ofSeconds(10))).isZero();
  }

  @Test
  void agentStartedBeforeRelayAttaches() {
    int port = Ports.free();
    AgentProcess agent = harness.agent(key, echo().port(), port);
    agent.awaitLog("control\\.retry .*in=", SOON);
    RelayProcess relay = harness.relay(Launch.relay("" + port).key(key));
    agent.awaitReady();
    harness.user(relay.port()).echo("hello");
  }
}
