package io.c2crelay.relay;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.cli.DescriptorLimit;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.transport.Transport;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
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
class RelayCommandTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final Map<String, String> env = new HashMap<>();
  private final List<RelayConfig> started = new ArrayList<>();

  private int run(String... args) {
    return run(new PrintStream(out, true, UTF_8), args);
  }

  private int run(PrintStream stdout, String... args) {
    RelayCommand command =
        new RelayCommand(
            config -> {
              assertThat(out.size()).isZero();
              if (config.services.get(0).port == 1001) {
                throw new StartupException("port 1001 is in use");
              }
              started.add(config);
              return () -> GlobalEventExecutor.INSTANCE.newSucceededFuture(null);
            });
    return new CliRunner(env, stdout, new PrintStream(err, true, UTF_8), () -> {})
        .run(command, args);
  }

  private RelayConfig config(String... args) {
    assertThat(run(args)).as(err.toString(UTF_8)).isEqualTo(CliRunner.OK);
    return started.get(0);
  }

  @Test
  void generatedKeyIsOnlyOutput() {
    RelayConfig config = config("0");
    assertThat(out.toString(UTF_8))
        .matches("Generated API Auth Key :\\n[A-Za-z0-9_][A-Za-z0-9_-]{31}\\n");
    assertThat(config.services.get(0).keys.first().toString())
        .doesNotContain(out.toString(UTF_8).split("\n")[1]);
    assertThat(err.size()).isZero();
  }

  @Test
  void startupFailurePrintsNoKey() {
    assertThat(run("1001")).isEqualTo(CliRunner.FAILED);
    assertThat(out.size()).isZero();
    assertThat(err.toString(UTF_8))
        .isEqualToNormalizingNewlines("server2server: port 1001 is in use\n");
  }

  @Test
  void unwritableKeyFailsStartup() {
    OutputStream full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("No space left on device");
          }
        };
    assertThat(run(new PrintStream(full, true, UTF_8), "0")).isEqualTo(CliRunner.FAILED);
    assertThat(err.toString(UTF_8))
        .contains("the generated key cannot be written to standard output");
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain", "-dash", "@at"})
  void givenKeyIsNotPrinted(String key) {
    config("4000", key);
    assertThat(out.size()).isZero();
    assertThat(err.size()).isZero();
  }

  @Test
  void keyAfterEndOfOptions() {
    config("4000", "--", "--begins-with-two-of-them");
    assertThat(out.size()).isZero();
  }

  @Test
  void environmentKeyIsAccepted() {
    env.put("C2C_KEY", "from-the-environment");
    config("4000");
    assertThat(out.size()).isZero();
  }

  @Test
  void missingKeyFileFailsStartup(@TempDir Path dir) {
    assertThat(run("4000", "--key-file", dir.resolve("absent").toString()))
        .isEqualTo(CliRunner.FAILED);
    assertThat(err.toString(UTF_8)).contains("--key-file does not exist").doesNotContain("absent");
    assertThat(started).isEmpty();
  }

  @Test
  void twoKeysAreUsageError() {
    env.put("C2C_KEY", "secret");
    assertThat(run("4000", "secret")).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8)).contains("give the key once").doesNotContain("secret");
  }

  private static void assertService(ServiceConfig service, String name, int port) {
    assertThat(service.name).hasToString(name);
    assertThat(service.port).isEqualTo(port);
  }

  @Test
  void severalServicesAreConfigured(@TempDir Path dir) throws Exception {
    Path file = Files.writeString(dir.resolve("key,s"), "one # laptop\ntwo\n");
    RelayConfig config =
        config("4000", "key", "--service=ssh=4022", "--service", "web-1=0," + file);
    List<ServiceConfig> services = config.services;
    assertThat(services).hasSize(3);
    assertService(services.get(0), "default", 4000);
    assertService(services.get(1), "ssh", 4022);
    assertService(services.get(2), "web-1", 0);
    assertThat(services.get(1).keys).isSameAs(services.get(0).keys);
    assertThat(services.get(2).keys.keys())
        .extracting(SharedKey::name)
        .containsExactly("laptop", "");
    assertThat(config.isReloadable).isTrue();
  }

  @Test
  void optionDefaults() {
    RelayConfig config = config("4000", "key");
    assertThat(config.services).hasSize(1);
    assertService(config.services.get(0), "default", 4000);
    assertThat(config.isReloadable).isFalse();
    assertThat(config.bind).isNull();
    assertThat(config.detectTimeout).isEqualTo(Duration.ofMillis(25));
    assertThat(config.pool).isEqualTo(4);
    assertThat(config.queueTimeout).isEqualTo(Duration.ofSeconds(15));
    assertThat(config.maxSessions).isEqualTo(DescriptorLimit.sessionsWithin(DescriptorLimit.get()));
    assertThat(config.idleTimeout).isZero();
    assertThat(config.halfCloseTimeout).isEqualTo(Duration.ofHours(1));
    assertThat(config.shared().drain()).isEqualTo(Duration.ofSeconds(30));
    assertThat(config.shared().transport()).isEqualTo(Transport.best());
    assertThat(config.shared().threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
  }

  @Test
  void everyOptionIsApplied() {
    RelayConfig config =
        config(
            "--bind=[::1]",
            "--detect-timeout=40ms",
            "--pool=0",
            "--queue-timeout",
            "20",
            "--max-sessions=7",
            "--idle-timeout=5m",
            "--half-close-timeout=2h",
            "--drain=0",
            "--session-memory=64k",
            "--transport=nio",
            "--threads=3",
            "0",
            "key");
    assertThat(config.bind).isEqualTo("::1");
    assertThat(config.services.get(0).port).isZero();
    assertThat(config.detectTimeout).isEqualTo(Duration.ofMillis(40));
    assertThat(config.pool).isZero();
    assertThat(config.queueTimeout).isEqualTo(Duration.ofSeconds(20));
    assertThat(config.maxSessions).isEqualTo(7);
    assertThat(config.idleTimeout).isEqualTo(Duration.ofMinutes(5));
    assertThat(config.halfCloseTimeout).isEqualTo(Duration.ofHours(2));
    assertThat(config.shared().drain()).isZero();
    assertThat(config.shared().sessionMemory()).isEqualTo(65536);
    assertThat(config.shared().transport()).isEqualTo(Transport.NIO);
    assertThat(config.shared().threads()).isEqualTo(3);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "-1                       | PORT must be from 0 to 65535",
        "65536                    | PORT must be from 0 to 65535",
        "1 --service=secret       | --service needs NAME=PORT or NAME=PORT,KEYFILE",
        "1 --service=S=1          | --service needs a service name of a-z, 0-9 and -, at most 63 characters",
        "1 --service=s=65536      | the port of --service must be from 0 to 65535",
        "1 --service=default=2    | --service default is that of PORT and KEY",
        "1 --close-without-agent  | --close-without-agent needs --service: PORT stays open, for agents",
        "1 --service=s=2 --service=s=3 | each service needs a name of its own",
        "1 --bind=a:1             | --bind must be a host name or an IP address",
        "1 --bind=                | --bind must be a host name or an IP address",
        "1 --detect-timeout=0              | --detect-timeout must be from 1ms to 10s",
        "1 --detect-timeout=11s            | --detect-timeout must be from 1ms to 10s",
        "1 --pool=-1              | --pool must be from 0 to 64",
        "1 --pool 65              | --pool must be from 0 to 64",
        "1 --queue-timeout=0               | --queue-timeout must be from 100ms to 1h",
        "1 --queue-timeout=61m             | --queue-timeout must be from 100ms to 1h",
        "1 --max-sessions-per-network=5 --max-sessions=4 | --max-sessions-per-network must be from 1 to 4",
        "1 --sessions-per-second=-1      | --sessions-per-second must be from 0 to 1000000",
        "1 --allow=secret         | --allow needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32",
        "1 --deny=1.2.3.4/33      | --deny needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32",
        "1 --allow-agents=        | --allow-agents needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32",
        "1 --accept-proxy-from=x  | --accept-proxy-from needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32",
        "1 --max-sessions=0       | --max-sessions must be from 1 to 1000000",
        "1 --max-sessions=1000001 | --max-sessions must be from 1 to 1000000",
        "1 --idle-timeout=999ms   | --idle-timeout must be from 1s to 720h, or off",
        "1 --idle-timeout=721h    | --idle-timeout must be from 1s to 720h, or off",
        "1 --half-close-timeout=0 | --half-close-timeout must be from 1s to 720h",
        "1 --drain=25h            | --drain must be from 0s to 24h",
        "1 --session-memory=63k   | --session-memory must be from 64k to 1024g",
        "1 --threads=-1           | --threads must be from 0 to 256",
        "1 --transport=uring      | --transport must be one of auto, epoll, kqueue, nio",
      })
  void outOfRangeValueIsUsageError(String args, String message) {
    assertThat(run(args.split(" +"))).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8))
        .startsWith("server2server: " + message + System.lineSeparator());
    assertThat(started).isEmpty();
  }

  @Test
  void helpListsOptionsWithDefaults() {
    assertThat(run("--help")).isEqualTo(CliRunner.OK);
    String help = out.toString(UTF_8).replaceAll("\\s+", " ");
    assertThat(help)
        .containsPattern("--bind=ADDRESS [^-]*\\(default: all, IPv4 and IPv6\\)")
        .containsPattern("--detect-timeout=TIME [^-]*\\(default: 25ms\\)")
        .containsPattern("--pool=N [^-]*\\(default: 4\\)")
        .containsPattern("--queue-timeout=TIME [^-]*\\(default: 15s\\)")
        .containsPattern(
            "--max-sessions=N .* here "
                + DescriptorLimit.sessionsWithin(DescriptorLimit.get())
                + "\\)")
        .containsPattern("--idle-timeout=TIME [^-]*\\(default: off\\)")
        .containsPattern("--half-close-timeout=TIME [^-]*\\(default: 1h\\)")
        .containsPattern("--drain=TIME [^-]*\\(default: 30s\\)")
        .containsPattern(
            "--session-memory=SIZE [^-]*\\(default: half of direct memory, here [0-9]+m\\)")
        .containsPattern("--transport=NAME [^-]*\\(default: auto\\)")
        .containsPattern("--threads=N [^-]*\\(default: 0\\)")
        .containsPattern("--log-level=LEVEL [^-]*\\(default: info\\)")
        .contains("--key-file=FILE", "--help", "--version", "C2C_KEY");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1",
    "513, 1",
    "514, 1",
    "516, 2",
    "1024, 256",
    "8704, 4096",
    "1048576, 4096",
    "9223372036854775807, 4096"
  })
  void maxSessionsDefaultsToDescriptorLimit(long descriptors, int sessions) {
    assertThat(DescriptorLimit.sessionsWithin(descriptors)).isEqualTo(sessions);
  }

  @ParameterizedTest
  @CsvSource({
    "513, 1, false",
    "514, 1, true",
    "1024, 256, true",
    "1024, 257, false",
    "200, 60, false",
    "1048576, 100000, true",
    "9223372036854775807, 1000000, true"
  })
  void sessionNeedsTwoDescriptors(long descriptors, int sessions, boolean suffice) {
    assertThat(DescriptorLimit.suffices(descriptors, sessions)).isEqualTo(suffice);
  }
}
