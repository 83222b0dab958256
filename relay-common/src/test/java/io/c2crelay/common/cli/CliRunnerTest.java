package io.c2crelay.common.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Timeout(value = 30, unit = TimeUnit.SECONDS)
class CliRunnerTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final Sample command = new Sample();

  private int run(String... args) {
    return new CliRunner(
            Map.of(),
            new PrintStream(out, true, UTF_8),
            new PrintStream(err, true, UTF_8),
            () -> {})
        .run(command, args);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-",
        "-u",
        "-uFwQ",
        "-1",
        "-=",
        "-pool=3",
        "---",
        "--=x",
        "--A",
        "--pool3",
        "--a_b",
        "--aB",
        "@",
        "@file",
        "@@x",
        "=x",
        "\"quoted\"",
        "'",
        "${sys:user.home}",
        "%s",
        "a b",
        "--pool\u00e9"
      })
  void keyIsTakenVerbatim(String key) {
    assertThat(run("1", key)).isEqualTo(CliRunner.OK);
    assertThat(command.key).isEqualTo(key);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--pool",
        "--pool=3",
        "--help",
        "--version",
        "--unknown",
        "--",
        "--key-file=x",
        "plain"
      })
  void keyAfterDoubleDashIsTakenVerbatim(String key) {
    assertThat(run("--", "1", key)).isEqualTo(CliRunner.OK);
    assertThat(command.key).isEqualTo(key);
  }

  /** The message names the option only if its length rules out a key. */
  @ParameterizedTest
  @CsvSource({
    "--drian, ' --drian (did you mean --drain?)'",
    "--drian=3, ' --drian (did you mean --drain?)'",
    "--log-leve, ' --log-leve (did you mean --log-level?)'",
    "--verbose, ' --verbose (did you mean --version?)'",
    "--s, ' --s'",
    "--session-memoryyyy, ' --session-memoryyyy (did you mean --session-memory?)'",
    "--session-memoryyyyyyy, ''",
    "--admin-password-flie, ' --admin-password-flie (did you mean --admin-password-file?)'",
    "--secret-words-of-mine, ''",
    "--secret-words-of-mine=x, ''"
  })
  void misspeltOptionIsRejected(String word, String named) {
    assertUsage(
        "unknown option" + named + " in argument 2; put -- before a key that looks like an option",
        "1",
        word);
  }

  @Test
  void undecodableArgumentIsRejected() {
    String message = " cannot be decoded in this locale; put the key in a file and use --key-file";
    assertUsage("argument 2" + message, "1", "secret\uFFFD");
    assertUsage("argument 3" + message, "--", "1", "secret\uFFFD");
    assertUsage("argument 1" + message, "--key-file=\uFFFD", "1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "                      | missing arguments: expected PORT [KEY]",
        "1 secret secret       | too many arguments: expected PORT [KEY]",
        "1 secret -secret      | too many arguments: expected PORT [KEY]",
        "secret                | PORT must be a whole number",
        "99999999999           | PORT must be a whole number",
        "1 --threads secret    | --threads must be a whole number",
        "1 --threads           | --threads requires a value",
        "1 --threads --drain=1 | --threads requires a value",
        "1 --threads 1 --threads 2 | --threads is given twice",
        "1 --drain secret      | --drain must be a duration such as 500ms, 15s, 2m or 1h",
        "1 --drain off         | --drain must be a duration such as 500ms, 15s, 2m or 1h",
        "1 --idle secret       | --idle must be a duration such as 500ms, 15s, 2m or 1h, or off",
        "1 --session-memory secret | --session-memory must be a size such as 64k, 1m or 2g",
        "1 --log-level secret  | --log-level must be one of error, warn, info, debug, trace",
        "1 --log-level INFO    | --log-level must be one of error, warn, info, debug, trace",
        "1 --transport secret  | --transport must be one of auto, epoll, kqueue, nio",
        "1 --help=secret       | invalid arguments",
        "666 secret            | PORT must not be 666",
      })
  void usageErrorDoesNotRepeatArguments(String args, String message) {
    assertUsage(message, args == null ? new String[0] : args.split(" +"));
  }

  @Test
  void optionsSetFields() throws StartupException {
    assertThat(
            run(
                "--drain",
                "2m",
                "--threads=3",
                "1",
                "--idle",
                "off",
                "--log-level=error",
                "--session-memory",
                "1m"))
        .isEqualTo(CliRunner.OK);
    SharedSettings settings = new SharedSettings(command.shared);
    assertThat(settings.drain()).isEqualTo(Duration.ofMinutes(2));
    assertThat(settings.threads()).isEqualTo(3);
    assertThat(settings.logLevel()).isEqualTo(Level.ERROR);
    assertThat(settings.sessionMemory()).isEqualTo(1 << 20);
    assertThat(command.idle).isZero();
    assertThat(command.key).isNull();
  }

  @Test
  void omittedOptionsKeepDefaults() throws StartupException {
    assertThat(run("1")).isEqualTo(CliRunner.OK);
    SharedSettings settings = new SharedSettings(command.shared);
    assertThat(settings.drain()).isEqualTo(Checks.DEFAULT_DRAIN);
    assertThat(settings.threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
    assertThat(settings.logLevel()).isEqualTo(Level.INFO);
    assertThat(settings.sessionMemory()).isEqualTo(Checks.defaultSessionMemory());
    assertThat(command.idle).isEqualTo(Duration.ofSeconds(90));
  }

  @Test
  void helpShowsDefaultsOnStdout() {
    assertThat(run("-h")).isEqualTo(CliRunner.OK);
    String shortForm = out.toString(UTF_8);
    out.reset();
    assertThat(run("--help")).isEqualTo(CliRunner.OK);
    assertThat(out.toString(UTF_8)).isEqualTo(shortForm);
    assertThat(out.toString(UTF_8).replaceAll("\\s+", " "))
        .startsWith("Usage: sample [OPTIONS] PORT [KEY]")
        .contains("default: 30s", "default: info", "default: auto", "default: 0", "default: 90s")
        .contains("here " + Sizes.format(Checks.defaultSessionMemory()));
    assertThat(err.size()).isZero();
  }

  @Test
  void versionGoesToStdout() {
    assertThat(run("-V")).isEqualTo(CliRunner.OK);
    String shortForm = out.toString(UTF_8);
    out.reset();
    assertThat(run("--version")).isEqualTo(CliRunner.OK);
    assertThat(out.toString(UTF_8)).isEqualTo(shortForm);
    assertThat(out.toString(UTF_8)).isEqualTo("sample development" + System.lineSeparator());
    assertThat(err.size()).isZero();
  }

  @Test
  void startupFailureIsOneLineAndExitCode1() {
    assertThat(run("1001")).isEqualTo(CliRunner.FAILED);
    assertThat(err.toString(UTF_8))
        .isEqualTo("sample: port 1001 is\\nin use" + System.lineSeparator());
    assertThat(out.size()).isZero();
  }

  @ParameterizedTest
  @CsvSource({"1002, unexpected", "1003, drain.failed"})
  void unexpectedErrorIsLoggedAndExitCode1(String port, String event) {
    Logger logger = (Logger) LoggerFactory.getLogger(CliRunner.class);
    ListAppender<ILoggingEvent> logged = new ListAppender<>();
    logged.start();
    logger.addAppender(logged);
    logger.setAdditive(false);
    try {
      assertThat(run(port)).isEqualTo(CliRunner.FAILED);
    } finally {
      logger.setAdditive(true);
      logger.detachAppender(logged);
    }
    assertThat(logged.list).singleElement().extracting(ILoggingEvent::getMessage).isEqualTo(event);
    assertThat(logged.list.get(0).getThrowableProxy().getMessage()).isEqualTo("a bug");
    assertThat(err.size()).isZero();
  }

  @Test
  void stopDrainsAndExitsWithCode0() {
    assertThat(run("1")).isEqualTo(CliRunner.OK);
    assertThat(command.drained).isTrue();
  }

  private void assertUsage(String message, String... args) {
    err.reset();
    assertThat(run(args)).isEqualTo(CliRunner.USAGE);
    assertThat(err.toString(UTF_8).split("\\R"))
        .containsExactly("sample: " + message, "Try --help for usage.");
    assertThat(out.size()).isZero();
    assertThat(command.drained).isFalse();
  }

  @Command(name = "sample", abbreviateSynopsis = true)
  static final class Sample implements CliCommand<Integer> {
    @Mixin SharedOptions shared = new SharedOptions();

    @Parameters(index = "0", paramLabel = "PORT")
    int port;

    @Parameters(index = "1", arity = "0..1", paramLabel = "KEY")
    String key;

    @Option(
        names = "--idle",
        converter = DurationOrOff.class,
        description = "Idle (default: ${DEFAULT-VALUE}).")
    Duration idle = Duration.ofSeconds(90);

    @Option(names = "--pool")
    int pool;

    boolean drained;

    @Override
    public SharedOptions shared() {
      return shared;
    }

    @Override
    public Integer config(Map<String, String> env) {
      if (port == 666) {
        throw new IllegalArgumentException("PORT must not be 666");
      }
      return port;
    }

    @Override
    public Running<Integer> start(Integer config, PrintStream out) throws StartupException {
      switch (config) {
        case 1001:
          throw new StartupException("port 1001 is\nin use", new IllegalStateException());
        case 1002:
          throw new IllegalArgumentException("a bug");
        case 1003:
          return () ->
              GlobalEventExecutor.INSTANCE.newFailedFuture(new IllegalStateException("a bug"));
        default:
          return () -> {
            drained = true;
            return GlobalEventExecutor.INSTANCE.newSucceededFuture(null);
          };
      }
    }
  }
}
