package io.c2crelay.it.runtimes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The shipped jars on every Java version in the README, in all combinations of relay and agent,
 * with and without native libraries: sessions work and the JVM prints no warnings.
 */
@ParameterizedClass(name = "relay on {0}")
@MethodSource("relays")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Tag("full")
@Timeout(60)
class RuntimesIT {

  private static final List<Integer> SUPPORTED = List.of(8, 11, 17, 25);
  private static final Map<Integer, JavaRuntime> FOUND = JavaRuntime.find(SUPPORTED);

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final long BULK = 4 * 1024 * 1024;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  @Parameter Jvm relayJvm;

  private final String key = Harness.newKey();
  private RelayProcess relay;
  private Target target;

  /** The JVM of one side. */
  record Jvm(int version, boolean natives) {

    /** Without flags that suppress warnings of the JVM; only the leak detector is added. */
    Launch start(Launch launch) {
      assumeTrue(
          FOUND.containsKey(version),
          "no Java " + version + " found; set -Drelay.test.javas=/path/to/java,...");
      Path java = FOUND.get(version).executable();
      launch.plainJvm().java(java.toString()).jvmArgs("-Dio.netty.leakDetection.level=paranoid");
      // Natives cannot be unpacked into a directory below a file.
      return natives ? launch : launch.jvmArgs("-Dio.netty.native.workdir=" + java.resolve("none"));
    }

    void assertUsedBy(LogLine started) {
      if (!natives) {
        assertThat(started.text()).contains("transport=NIO tls=jdk");
      } else if (System.getProperty("os.name").equals("Linux")) {
        assertThat(started.text()).contains("transport=EPOLL tls=boringssl");
      }
    }

    @Override
    public String toString() {
      return "Java " + version + (natives ? "" : " without natives");
    }
  }

  private static List<Integer> versions() {
    return Stream.concat(SUPPORTED.stream(), FOUND.keySet().stream()).distinct().sorted().toList();
  }

  static Stream<Jvm> relays() {
    return versions().stream()
        .flatMap(version -> Stream.of(new Jvm(version, true), new Jvm(version, false)));
  }

  /** All pairs of versions with natives; otherwise, pairs of the same version. */
  Stream<Jvm> agents() {
    return relays()
        .filter(
            agent ->
                agent.version() == relayJvm.version() || (agent.natives() && relayJvm.natives()));
  }

  @BeforeParameterizedClassInvocation
  void startRelay() {
    target = SHARED.target(Behaviour.ECHO);
    relay = SHARED.relay(relayJvm.start(Launch.relay("0")).key(key));
    relayJvm.assertUsedBy(relay.awaitListening());
  }

  @AfterParameterizedClassInvocation
  void stopRelay() {
    if (relay != null) {
      assertCleanStop(relay, "relay\\.stopped");
    }
  }

  @ParameterizedTest(name = "agent on {0}")
  @MethodSource("agents")
  void relaysSessions(Jvm agentJvm) {
    AgentProcess agent =
        harness.agent(agentJvm.start(Launch.agent(target.port(), relay.port())).key(key));
    agent.awaitReady();
    agentJvm.assertUsedBy(agent.awaitLog("agent\\.started ", SOON));

    userSendsFirst();
    targetSendsFirst();
    userHalfCloses();
    bulkBothWays();
    userResets();
    targetResets();

    int mark = relay.mark();
    assertCleanStop(agent, "agent\\.stopped");
    relay.awaitLog(mark, "agent\\.detached ", SOON);
  }

  private TcpEnd user() {
    return TcpEnd.connect(relay.port());
  }

  private void userSendsFirst() {
    target.setBehaviour(Behaviour.ECHO);
    try (TcpEnd user = user()) {
      user.echo("hello\n").finishCleanly();
    }
  }

  private void targetSendsFirst() {
    target.setBehaviour(Behaviour.GREETING);
    try (TcpEnd user = user()) {
      assertThat(user.receiveText(Behaviour.HELLO.length())).isEqualTo(Behaviour.HELLO);
      user.echo("EHLO user\r\n").finishCleanly();
    }
  }

  private void userHalfCloses() {
    target.setBehaviour(Behaviour.HALF_CLOSE);
    byte[] bytes = Bulk.bytes(1, 300_000);
    try (TcpEnd user = user()) {
      user.send(bytes).finish();
      assertThat(user.receiveAll()).isEqualTo(Behaviour.reply(Bulk.of(bytes)));
    }
  }

  private void bulkBothWays() {
    target.setBehaviour(Behaviour.ECHO);
    try (TcpEnd user = user()) {
      Async<Bulk.Sum> sending = Bulk.send(user, 2, BULK);
      Bulk.Sum received = Bulk.receive(user).get(SOON);
      assertThat(received).isEqualTo(sending.get(SOON));
      assertThat(received.length()).isEqualTo(BULK);
    }
  }

  private void userResets() {
    target.setManual();
    TcpEnd user = user().send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);
    user.reset();
    assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  private void targetResets() {
    target.setManual();
    try (TcpEnd user = user().send("hello")) {
      TcpEnd atTarget = target.next();
      atTarget.receive(5);
      atTarget.reset();
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
  }

  /** Fails unless the exit code is 0 and only log lines were printed. */
  private static void assertCleanStop(JarProcess process, String lastLine) {
    process.terminate();
    assertThat(process.awaitExit(SOON)).isZero();
    assertThat(process.lines(lastLine)).hasSize(1);
    assertThat(process.stdout()).as("standard output of " + process.name()).isEmpty();
    assertThat(process.stderr())
        .as("standard error of " + process.name())
        .allMatch(
            line ->
                line.matches(
                    "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z (INFO {2}[a-z]+\\.|WARN {2}service\\.unavailable )\\S.*"));
  }
}
