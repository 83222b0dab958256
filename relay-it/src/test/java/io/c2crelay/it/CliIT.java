package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.grack.nanojson.JsonParser;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Readme;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The two command lines: output, streams and exit codes. */
@Order(2)
@Timeout(60)
class CliIT {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final String KEY = "correct-horse-battery-staple-0";
  private static final Pattern DEFAULT = Pattern.compile("\\(default: ([^)]*)\\)");

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir Path directory;

  private int run(JarProcess process) {
    return process.awaitExit(SOON);
  }

  private JarProcess relay(String... arguments) {
    return harness.command(Launch.relay(arguments));
  }

  private JarProcess agent(String... arguments) {
    return harness.command(Launch.agent(arguments));
  }

  // ---- usage errors: exit code 2

  record Usage(String name, Launch launch) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Usage relayUsage(String... arguments) {
    return new Usage("relay " + List.of(arguments), Launch.relay(arguments));
  }

  private static Usage agentUsage(String... arguments) {
    return new Usage("agent " + List.of(arguments), Launch.agent(arguments));
  }

  static Stream<Usage> usageErrors() {
    // One case of each kind; the unit tests of the commands have all of them.
    return Stream.of(
        relayUsage(),
        relayUsage("0", "--queue-timeout", "soon"),
        new Usage("relay, two keys", Launch.relay("0", KEY).key(KEY)),
        agentUsage("22", "127.0.0.1", "4000"),
        agentUsage("host:0", "127.0.0.1", "4000", KEY),
        new Usage("agent, two keys", Launch.agent("22", "127.0.0.1", "4000", KEY).key(KEY)));
  }

  @ParameterizedTest
  @MethodSource("usageErrors")
  void usageErrorExitsWith2(Usage usage) {
    JarProcess process = harness.command(usage.launch());
    assertThat(run(process)).isEqualTo(2);
    assertThat(process.stdout()).as("standard output").isEmpty();
    assertThat(process.stderr()).as("standard error").isNotEmpty();
    assertThat(String.join("\n", process.stderr())).doesNotContain(KEY).doesNotContain("Exception");
  }

  @Test
  void undecodableArgumentIsRefused() {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "needs /bin/sh");
    JarProcess process =
        harness.command(
            Launch.relay("0")
                .env("LC_ALL", "C")
                .wrappedIn(
                    "/bin/sh",
                    "-c",
                    "exec \"$@\" \"$(printf 'schl\\303\\274ssel-schl\\303\\274ssel')\"",
                    "sh"));
    assertThat(run(process)).isEqualTo(2);
    assertThat(String.join("\n", process.stderr())).contains("--key-file");
  }

  // ---- startup failures: exit code 1, one line

  private static void assertOneLine(JarProcess process) {
    assertThat(process.stdout()).as("standard output").isEmpty();
    assertThat(process.stderr()).as("standard error").hasSize(1);
    assertThat(process.stderr().get(0)).doesNotContain("Exception").isNotBlank();
  }

  @Test
  void portInUse() throws IOException {
    try (ServerSocket taken = new ServerSocket(0)) {
      JarProcess process = harness.command(Launch.relay("" + taken.getLocalPort()).key(KEY));
      assertThat(run(process)).isEqualTo(1);
      assertOneLine(process);
      assertThat(process.stderr().get(0)).contains("" + taken.getLocalPort());
    }
  }

  @Test
  void unavailableBindAddress() {
    JarProcess process = harness.command(Launch.relay("0", "--bind", "192.0.2.1").key(KEY));
    assertThat(run(process)).isEqualTo(1);
    assertOneLine(process);
    assertThat(process.stderr().get(0)).contains("192.0.2.1");
  }

  @Test
  void missingKeyFile() {
    Path missing = directory.resolve("no-such-file");
    JarProcess process = relay("0", "--key-file", missing.toString());
    assertThat(run(process)).isEqualTo(1);
    assertOneLine(process);
    assertThat(process.stderr().get(0)).contains("--key-file");
    JarProcess ofAgent = agent("22", "127.0.0.1", "4000", "--key-file", missing.toString());
    assertThat(run(ofAgent)).isEqualTo(1);
    assertOneLine(ofAgent);
  }

  @Test
  void readableKeyFileLogsWarning() throws Exception {
    Path file = Files.writeString(directory.resolve("key"), Harness.newKey() + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    RelayProcess relay = harness.relay(Launch.relay("0", "--key-file", file.toString()));
    relay.awaitLog("WARN  key\\.file_readable file=.* mode=0640 note=", SOON);
  }

  /** From the first line on, a warning about a file. */
  @Test
  void logLinesAreJson() throws Exception {
    Path file = Files.writeString(directory.resolve("key"), Harness.newKey() + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    RelayProcess relay =
        harness.relay(Launch.relay("0", "--key-file=" + file, "--log-format=json"));
    relay.awaitLog("\"event\":\"relay.listening\"", SOON);
    relay.terminate();
    assertThat(relay.awaitExit(SOON)).isZero();
    List<String> events = new ArrayList<>();
    for (String line : relay.stderr()) {
      events.add(JsonParser.object().from(line).getString("event"));
    }
    assertThat(events)
        .containsExactly("key.file_readable", "relay.listening", "relay.draining", "relay.stopped");
  }

  // ---- help and version: exit code 0

  /** The name is the section with the options in docs/options.md. */
  static Stream<Usage> helps() {
    return Stream.of(
        new Usage("Relay: `server2server`", Launch.relay("--help")),
        new Usage("Agent: `client2client`", Launch.agent("--help")));
  }

  @ParameterizedTest
  @MethodSource("helps")
  void helpMatchesOptions(Usage usage) {
    JarProcess process = harness.command(usage.launch());
    assertThat(run(process)).isZero();
    assertThat(process.stderr()).isEmpty();
    String help = String.join("\n", process.stdout());
    assertThat(help).contains("C2C_KEY");
    Map<String, String> options = optionsOf(help);
    List<List<String>> table = Readme.options().table(usage.name(), "option");
    assertThat(table.stream().flatMap(row -> Readme.code(row.get(0))))
        .containsExactlyElementsOf(options.keySet());
    for (List<String> row : table) {
      // compares defaults in backticks only
      Readme.code(row.get(1))
          .forEach(value -> assertThat(options).containsEntry(row.get(0).replace("`", ""), value));
    }
  }

  /** Maps each option, such as {@code --pool N}, to its default, in the order of the help. */
  private static Map<String, String> optionsOf(String help) {
    Map<String, String> options = new LinkedHashMap<>();
    Stream.of(help.split("\\n +(?=-)"))
        .skip(1)
        .map(entry -> entry.replaceAll("\\s+", " ").replaceFirst("^-[hV], ", ""))
        .forEach(
            entry -> {
              Matcher value = DEFAULT.matcher(entry);
              String name = entry.substring(0, entry.indexOf(' ')).replaceFirst("=", " ");
              options.put(name, value.find() ? value.group(1) : "");
            });
    return options;
  }

  /** Without JVM flags, so that JVM warnings fail the test. */
  @Test
  void versionPrintsOneLine() {
    for (Launch launch : List.of(Launch.relay("--version"), Launch.agent("--version"))) {
      JarProcess process = harness.command(launch.plainJvm());
      assertThat(run(process)).isZero();
      assertThat(process.stdout()).hasSize(1);
      assertThat(process.stdout().get(0)).containsPattern("\\d+\\.\\d+");
      assertThat(process.stderr()).isEmpty();
    }
  }

  // ---- keys

  @Test
  void generatedKeyIsPrintedToStdout() {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = harness.relay(Launch.relay("0"));
    relay.awaitListening();
    relay.awaitLog("^[A-Za-z0-9_-]{32}$", SOON);
    List<String> stdout = relay.stdout();
    assertThat(stdout).hasSize(2);
    assertThat(stdout.get(0)).isEqualTo("Generated API Auth Key :");
    String key = stdout.get(1);
    assertThat(key).matches("[A-Za-z0-9_][A-Za-z0-9_-]{31}");
    assertThat(relay.stderr()).noneMatch(line -> line.contains(key));
    harness.agent(key, target.port(), relay.port()).awaitReady();
    harness.user(relay.port()).echo("with the generated key");
    assertThat(relay.stdout()).hasSize(2);
  }

  @Test
  void keyFileIsNormalised() throws IOException {
    Path composed =
        Files.writeString(
            directory.resolve("composed"), "  schl\u00fcssel-schl\u00fcssel-1 \r\nmore\n");
    Files.setPosixFilePermissions(composed, PosixFilePermissions.fromString("rw-------"));
    Path decomposed =
        Files.writeString(directory.resolve("decomposed"), "schlu\u0308ssel-schlu\u0308ssel-1");
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = harness.relay(Launch.relay("0", "--key-file", composed.toString()));
    Launch agent = Launch.agent(target.port(), relay.port());
    harness.agent(agent.arguments("--key-file", decomposed.toString())).awaitReady();
    harness.user(relay.port()).echo("hello");
    assertThat(relay.lines("key\\.file_readable")).isEmpty();
    assertThat(relay.stdout()).as("a given key is not printed").isEmpty();
  }

  @Test
  void optionsTakeEffect() {
    RelayProcess relay =
        harness.relay(
            Launch.relay("--bind", "127.0.0.1", "--log-level", "debug", "--transport", "nio")
                .arguments("--threads", "1", "0", "short"));
    assertThat(relay.awaitListening().text()).contains(" address=127.0.0.1 ", " transport=NIO ");
    relay.awaitLog("WARN  key\\.short ", SOON);
    harness.user(relay.port());
    assertThatThrownBy(
            () -> TcpEnd.connect(new InetSocketAddress(InetAddress.getByName("::1"), relay.port())))
        .hasMessageContaining("cannot connect");
    relay.awaitLog(" DEBUG ", SOON);
    assertThat(relay.stdout()).isEmpty();
  }

  // ---- addresses

  /** A host name or an address before the port, for the default service and another one. */
  @Test
  void targetWithHost() {
    Target target = harness.target(Behaviour.ECHO);
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, "--service", "six=0");
    AgentProcess agent =
        harness.agent(
            Launch.agent("localhost:" + target.port(), "localhost", "" + relay.port("default"))
                .arguments("--forward", "six=[::ffff:127.0.0.1]:" + target.port())
                .key(key));
    for (String service : List.of("default", "six")) {
      agent.awaitLog("control\\.ready service=" + service + " ", SOON);
      harness.user(relay.port(service)).echo("to " + service).finishCleanly();
    }
  }
}
