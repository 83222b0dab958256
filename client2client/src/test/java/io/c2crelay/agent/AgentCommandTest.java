package io.c2crelay.agent;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.data.Forward;
import io.c2crelay.agent.data.ProxyProtocol;
import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.transport.Transport;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 30, unit = TimeUnit.SECONDS)
class AgentCommandTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final Map<String, String> env = new HashMap<>();
  private final List<AgentConfig> started = new ArrayList<>();

  private int run(String... args) {
    AgentCommand command =
        new AgentCommand(
            config -> {
              started.add(config);
              return () -> GlobalEventExecutor.INSTANCE.newSucceededFuture(null);
            });
    return new CliRunner(
            env, new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8), () -> {})
        .run(command, args);
  }

  private AgentConfig config(String... args) {
    assertThat(run(args)).as(err.toString(UTF_8)).isEqualTo(CliRunner.OK);
    assertThat(out.size()).isZero();
    return started.get(0);
  }

  @Test
  void missingKeyIsUsageError() {
    assertThat(run("22", "relay", "4000")).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8))
        .startsWith(
            "client2client: a key is required: as KEY, with --key-file FILE, or in C2C_KEY");
    assertThat(started).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"key", "-uFwQ", "@key", "-", "--X"})
  void keyFromArgument(String key) {
    assertThat(config("22", "relay", "4000", key).relays.get(0).port()).isEqualTo(4000);
  }

  @Test
  void keyFromFile(@TempDir Path dir) throws Exception {
    Path file = Files.writeString(dir.resolve("key"), "a key\n");
    config("22", "relay", "4000", "--key-file", file.toString());
  }

  @Test
  void keyFromEnvironment() {
    env.put("C2C_KEY", "a key");
    config("22", "relay", "4000");
  }

  @Test
  void unreadableKeyFileFailsStartup(@TempDir Path dir) {
    assertThat(run("22", "relay", "4000", "--key-file=" + dir)).isEqualTo(CliRunner.FAILED);
    assertThat(err.toString(UTF_8).split("\\R")).hasSize(1);
  }

  @Test
  void defaultsMatchConfiguration() {
    AgentConfig config = config("db:22", "relay", "4000", "key");
    assertThat(config.forwards).hasSize(1);
    assertForward(config.forwards.get(0), "default", "db:22");
    assertThat(config.connectTimeout).isEqualTo(Duration.ofSeconds(3));
    assertThat(config.shared().drain()).isEqualTo(Duration.ofSeconds(30));
    assertThat(config.shared().transport()).isEqualTo(Transport.best());
    assertThat(config.shared().threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
    assertThat(config.label).isEqualTo(HostName.get());
  }

  private static void assertForward(Forward forward, String service, String target) {
    assertThat(forward.service()).hasToString(service);
    assertThat(forward.target()).isEqualTo(Route.parse(target));
  }

  @Test
  void severalServicesAreOffered(@TempDir Path dir) throws Exception {
    Path file = Files.writeString(dir.resolve("key"), "# for the web\nwebkey # web\nother");
    List<Forward> forwards =
        config(
                "22",
                "relay",
                "4000",
                "key",
                "--service=ssh",
                "--forward=web=[::1]:80," + file,
                "--forward",
                "default=db:5432")
            .forwards;
    assertThat(forwards).hasSize(3);
    assertForward(forwards.get(0), "ssh", "22");
    assertForward(forwards.get(1), "web", "[::1]:80");
    assertForward(forwards.get(2), "default", "db:5432");
    assertThat(forwards.get(1).key().name()).isEqualTo("web");
    assertThat(forwards.get(2).key()).isSameAs(forwards.get(0).key());
  }

  @Test
  void optionsSetConfiguration() {
    AgentConfig config =
        config(
            "--label",
            "bücher 1",
            "--connect-timeout=500ms",
            "--drain=2m",
            "--session-memory=1m",
            "--transport=nio",
            "--threads=2",
            "[::1]:22",
            "[2001:db8::1]",
            "65535",
            "key");
    assertForward(config.forwards.get(0), "default", "[::1]:22");
    assertThat(config.relays.get(0).host()).isEqualTo("2001:db8::1");
    assertThat(config.relays.get(0).port()).isEqualTo(65535);
    assertThat(config.label).isEqualTo("bücher 1");
    assertThat(config.connectTimeout).isEqualTo(Duration.ofMillis(500));
    assertThat(config.shared().drain()).isEqualTo(Duration.ofMinutes(2));
    assertThat(config.shared().sessionMemory()).isEqualTo(1 << 20);
    assertThat(config.shared().transport()).isEqualTo(Transport.NIO);
    assertThat(config.shared().threads()).isEqualTo(2);
  }

  @Test
  void severalRelaysHaveOnePort() {
    assertThat(config("22", "one.example,2001:db8::1,[::1]", "4000", "key").relays)
        .containsExactly(
            Route.of("one.example", 4000), Route.of("2001:db8::1", 4000), Route.of("::1", 4000));
  }

  @Test
  void proxyHeadersAreForAllServicesOrOne() {
    run(
        "22 relay 4000 key --forward web=80 --forward db=81 --send-proxy v2 --send-proxy web=v1"
            .split(" "));
    assertThat(started.get(0).forwards)
        .extracting(Forward::proxyProtocol)
        .containsExactly(ProxyProtocol.V2, ProxyProtocol.V1, ProxyProtocol.V2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "22                      | missing arguments: expected TARGET RELAY_HOST RELAY_PORT [KEY]",
        "22 relay 4000 secret s  | too many arguments: expected TARGET RELAY_HOST RELAY_PORT [KEY]",
        "secret relay 4000 key   | TARGET must be a port, HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535",
        "22 secret/ 4000 key     | RELAY_HOST must be a host name or an IP address",
        "22 relay:4000 4000 key  | RELAY_HOST must be a host name or an IP address",
        "22 relay, 4000 key      | RELAY_HOST must be a host name or an IP address",
        "22 a,b,a 4000 key       | RELAY_HOST has a relay twice",
        "22 a,b,c,d,e,f 4000 key --forward=x=1 --forward=y=2 | services times relays must be from 1 to 16",
        "22 a 4000 key --all-addresses --proxy=http://b:1 | --all-addresses looks names up, but --proxy does that",
        "22 relay secret key     | RELAY_PORT must be a whole number",
        "22 relay 0 key          | RELAY_PORT must be from 1 to 65535",
        "22 relay 65536 key      | RELAY_PORT must be from 1 to 65535",
        "22 relay 4000 key --service=SSH | --service needs a service name of a-z, 0-9 and -, at most 63 characters",
        "22 relay 4000 key --forward=secret | --forward needs NAME=TARGET or NAME=TARGET,KEYFILE",
        "22 relay 4000 key --forward==80 | --forward needs a service name of a-z, 0-9 and -, at most 63 characters",
        "22 relay 4000 key --forward=web=secret | TARGET must be a port, HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535",
        "22 relay 4000 key --forward=default=80 | each service can be offered once",
        "22 relay 4000 key --send-proxy=secret | --send-proxy needs v1, v2, NAME=v1 or NAME=v2",
        "22 relay 4000 key --send-proxy=web=v1 | --send-proxy names a service that is not offered",
        "22 relay 4000 key --transparent --transport=nio | --transparent needs epoll, which is Linux's",
        "22 relay 4000 key --connect-timeout=5s | --connect-timeout must be from 100ms to 4s",
        "22 relay 4000 key --xyz=3 | unknown option --xyz in argument 5; put -- before a key that looks like an option",
      })
  void invalidArgumentsAreUsageErrors(String args, String message) {
    assertThat(run(args.split(" +"))).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8))
        .startsWith("client2client: " + message + System.lineSeparator())
        .doesNotContain("secret");
    assertThat(started).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tab\t",
        "\u0085",
        "\uD83D",
        "12345678901234567890123456789012345678901234567890123456789012345",
        "ääääääääääääääääääääääääääääääääÄ"
      })
  void rejectsInvalidLabels(String label) {
    assertThat(run("22", "relay", "4000", "key", "--label", label)).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8))
        .contains("--label must be at most 64 bytes of UTF-8 without control characters");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "1234567890123456789012345678901234567890123456789012345678901234",
        "ääääääääääääääääääääääääääääääää"
      })
  void acceptsEmptyAndLongestLabels(String label) {
    assertThat(config("22", "relay", "4000", "key", "--label", label).label).isEqualTo(label);
  }

  @Test
  void helpListsOptionsWithDefaults() {
    assertThat(run("--help")).isEqualTo(CliRunner.OK);
    assertThat(out.toString(UTF_8).replaceAll("\\s+", " "))
        .startsWith("Usage: client2client [OPTIONS] TARGET RELAY_HOST RELAY_PORT [KEY]")
        .contains("here \"" + HostName.get() + "\"")
        .containsPattern("--connect-timeout=TIME [^-]*\\(default: 3s\\)")
        .containsPattern("--drain=TIME [^-]*\\(default: 30s\\)")
        .containsPattern("--transport=NAME [^-]*\\(default: auto\\)")
        .contains(
            "--key-file=FILE",
            "--session-memory=SIZE",
            "--threads=N",
            "--log-level=LEVEL",
            "--help",
            "--version");
  }
}
