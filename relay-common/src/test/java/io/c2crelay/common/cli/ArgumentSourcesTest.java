package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Flags before variables before the file. */
class ArgumentSourcesTest {
  @Command(name = "sample")
  private static final class Sample {
    @Parameters(index = "0", paramLabel = "HOST_NAME")
    String host;

    @Parameters(index = "1", paramLabel = "PORT")
    int port;

    @Parameters(index = "2", arity = "0..1", paramLabel = "KEY")
    String key;

    @Option(names = "--pool")
    int pool = 4;

    @Option(names = "--flag", arity = "0")
    boolean flag;

    @Option(names = "--service")
    List<String> services = new ArrayList<>();

    @Option(names = "--config")
    String config;
  }

  @TempDir private Path dir;
  private final Map<String, String> env = new HashMap<>();

  private Path file(String... lines) throws Exception {
    return Files.writeString(dir.resolve("config"), String.join("\n", lines) + "\n");
  }

  private Sample parse(String... args) throws Exception {
    Sample sample = new Sample();
    CommandLine line = new CommandLine(sample);
    line.parseArgs(ArgumentSources.complete(line.getCommandSpec(), env, args));
    return sample;
  }

  @Test
  void commandLineAloneIsAsItIs() throws Exception {
    Sample sample = parse("--pool", "1", "host", "2", "key");
    assertThat(sample.pool).isEqualTo(1);
    assertThat(sample.host).isEqualTo("host");
    assertThat(sample.key).isEqualTo("key");
  }

  /** Names of options, too. */
  @Test
  void positionalsAreNoOptions() throws Exception {
    env.put("C2C_POOL", "9");
    env.put("C2C_CONFIG", "");
    Sample sample = parse("pool", "2", "config");
    assertThat(sample.host).isEqualTo("pool");
    assertThat(sample.key).isEqualTo("config");
    assertThat(sample.pool).isEqualTo(9);
  }

  @Test
  void fileGivesWhatIsMissing() throws Exception {
    file(
        "# comment",
        "",
        "pool = 7",
        "flag=true",
        "service.web = 1",
        "service = db=2,x",
        "port=3",
        "host-name =  a b ");
    Sample sample = parse("--config", dir.resolve("config").toString());
    assertThat(sample.pool).isEqualTo(7);
    assertThat(sample.flag).isTrue();
    assertThat(sample.services).containsExactly("web=1", "db=2,x");
    assertThat(sample.host).isEqualTo("a b");
    assertThat(sample.port).isEqualTo(3);
    assertThat(sample.key).isNull();
  }

  @Test
  void variableIsBeforeTheFileAndFlagBeforeBoth() throws Exception {
    env.put("C2C_CONFIG", file("pool = 7", "service.web = 1", "port = 3").toString());
    env.put("C2C_POOL", "8");
    env.put("C2C_SERVICE", "db=2 x=3");
    env.put("C2C_HOST_NAME", "-looks-like-an-option");
    assertThat(parse().pool).isEqualTo(8);
    assertThat(parse().services).containsExactly("db=2", "x=3");
    assertThat(parse().host).isEqualTo("-looks-like-an-option");
    assertThat(parse().port).isEqualTo(3);
    assertThat(parse("--pool=9").pool).isEqualTo(9);
    assertThat(parse("--service", "y=1").services).containsExactly("y=1");
    assertThat(parse("host", "4").host).isEqualTo("host");
    assertThat(parse("--", "host", "4").port).isEqualTo(4);
  }

  @Test
  void flagMayBeOff() throws Exception {
    env.put("C2C_FLAG", "false");
    assertThat(parse("host", "1").flag).isFalse();
    env.put("C2C_FLAG", "yes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> parse("host", "1"))
        .withMessage("--flag must be true or false");
  }

  @Test
  void positionalsMustBeComplete() throws Exception {
    env.put("C2C_PORT", "1");
    assertThatIllegalArgumentException()
        .isThrownBy(this::parse)
        .withMessage("PORT is set, HOST_NAME not");
  }

  @ParameterizedTest
  @CsvSource({
    "pol = 7, unknown key",
    "key = secret, unknown key",
    "config = x, unknown key",
    "pool.a = 7, unknown key",
    "secret, expected key = value",
    "= secret, expected key = value",
  })
  void invalidLineIsNamed(String line, String message) throws Exception {
    env.put("C2C_CONFIG", file("pool = 1", line).toString());
    assertThatIllegalArgumentException()
        .isThrownBy(() -> parse("host", "1"))
        .withMessage("line 2 of the file given with --config: " + message);
  }

  @Test
  void keyIsThereOnce() throws Exception {
    env.put("C2C_CONFIG", file("pool = 1", "pool = 2").toString());
    assertThatIllegalArgumentException()
        .isThrownBy(() -> parse("host", "1"))
        .withMessage("line 2 of the file given with --config: this key is there twice");
  }

  @Test
  void missingFileIsAFailure() {
    env.put("C2C_CONFIG", dir.resolve("none").toString());
    assertThatThrownBy(() -> parse("host", "1"))
        .isInstanceOf(StartupException.class)
        .hasMessage("the file given with --config does not exist");
  }
}
