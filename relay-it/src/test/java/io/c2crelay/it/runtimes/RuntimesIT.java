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
 * The shipped jars on every Java that the README promises, in all pairs of relay and agent, with
 * native libraries and without: the same sessions, and not a word from the JVM.
 */
@ParameterizedClass(name = "relay on {0}")
@MethodSource("relays")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Tag("full")
@Timeout(60)
class RuntimesIT {

  private static final List<Integer> PROMISED = List.of(8, 11, 17, 25);
  private static final Map<Integer, JavaRuntime> FOUND = JavaRuntime.find(PROMISED);

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final long BULK = 4 * 1024 * 1024;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  @Parameter End relayEnd;

  private final String key = Harness.newKey();
  private RelayProcess relay;
  private Target target;

  /** Where one side runs. */
  record End(int version, boolean natives) {

    /**
     * As a stranger starts it, so that a warning of the JVM would show, but for the leak detector.
     */
    Launch start(Launch launch) {
      assumeTrue(
          FOUND.containsKey(version),
          "no Java " + version + " here: -Drelay.test.javas=/path/to/java,... names one");
      Path java = FOUND.get(version).executable();
      launch.plainJvm().java(java.toString()).jvmArgs("-Dio.netty.leakDetection.level=paranoid");
      // Natives are unpacked before they are loaded, which is not possible below a file.
      return natives ? launch : launch.jvmArgs("-Dio.netty.native.workdir=" + java.resolve("none"));
    }

    void assertMeantBy(LogLine started) {
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
    return Stream.concat(PROMISED.stream(), FOUND.keySet().stream()).distinct().sorted().toList();
  }

  static Stream<End> relays() {
    return versions().stream()
        .flatMap(version -> Stream.of(new End(version, true), new End(version, false)));
  }

  /** All versions with natives meet; with and without natives each version meets itself. */
  Stream<End> agents() {
    return relays()
        .filter(
            agent ->
                agent.version() == relayEnd.version() || (agent.natives() && relayEnd.natives()));
  }

  @BeforeParameterizedClassInvocation
  void startRelay() {
    target = SHARED.keep(Target.start(Behaviour.ECHO));
    relay = SHARED.relay(relayEnd.start(Launch.relay("0")).key(key));
    relayEnd.assertMeantBy(relay.awaitListening());
  }

  @AfterParameterizedClassInvocation
  void stopRelay() {
    if (relay != null) {
      stopsInOrder(relay, "relay\\.stopped");
    }
  }

  @ParameterizedTest(name = "agent on {0}")
  @MethodSource("agents")
  void carriesSessions(End agentEnd) {
    AgentProcess agent =
        harness.agent(
            agentEnd
                .start(Launch.agent("" + target.port(), "127.0.0.1", "" + relay.port()))
                .key(key));
    agent.awaitReady();
    agentEnd.assertMeantBy(agent.awaitLog("agent\\.started ", SOON));

    userSpeaksFirst();
    targetSpeaksFirst();
    userFinishesFirst();
    bulkBothWays();
    userResets();
    targetResets();

    int mark = relay.mark();
    stopsInOrder(agent, "agent\\.stopped");
    relay.awaitLog(mark, "agent\\.detached ", SOON);
  }

  private TcpEnd user() {
    return TcpEnd.connect(relay.port());
  }

  private void userSpeaksFirst() {
    target.become(Behaviour.ECHO);
    try (TcpEnd user = user()) {
      user.echo("hello\n").finish();
      assertThat(user.receiveAll()).isEmpty();
    }
  }

  private void targetSpeaksFirst() {
    target.become(Behaviour.GREETING);
    try (TcpEnd user = user()) {
      assertThat(user.receiveText(Behaviour.HELLO.length())).isEqualTo(Behaviour.HELLO);
      user.echo("EHLO user\r\n").finish();
      assertThat(user.receiveAll()).isEmpty();
    }
  }

  private void userFinishesFirst() {
    target.become(Behaviour.HALF_CLOSE);
    byte[] bytes = Bulk.bytes(1, 300_000);
    try (TcpEnd user = user()) {
      user.send(bytes).finish();
      assertThat(user.receiveAll()).isEqualTo(Behaviour.reply(Bulk.of(bytes)));
    }
  }

  private void bulkBothWays() {
    target.become(Behaviour.ECHO);
    try (TcpEnd user = user()) {
      Async<Bulk.Sum> sending =
          Async.run(
              () -> {
                Bulk.Sum sum = Bulk.write(user.out(), 2, BULK);
                user.finish();
                return sum;
              });
      Bulk.Sum received = Async.run(() -> Bulk.read(user.in())).get(SOON);
      assertThat(received).isEqualTo(sending.get(SOON));
      assertThat(received.length()).isEqualTo(BULK);
    }
  }

  private void userResets() {
    target.becomeManual();
    TcpEnd user = user().send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);
    user.reset();
    assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  private void targetResets() {
    target.becomeManual();
    try (TcpEnd user = user().send("hello")) {
      TcpEnd atTarget = target.next();
      atTarget.receive(5);
      atTarget.reset();
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
  }

  /** With the exit code of a clean stop, and nothing ever printed but the log. */
  private static void stopsInOrder(JarProcess process, String lastWord) {
    process.terminate();
    assertThat(process.awaitExit(SOON)).isZero();
    assertThat(process.lines(lastWord)).hasSize(1);
    assertThat(process.stdout()).as("standard output of " + process.name()).isEmpty();
    assertThat(process.stderr())
        .as("standard error of " + process.name())
        .allMatch(
            line ->
                line.matches(
                    "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z (INFO {2}[a-z]+\\.|WARN {2}service\\.unavailable )\\S.*"));
  }
}
