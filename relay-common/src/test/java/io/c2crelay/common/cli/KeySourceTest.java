package io.c2crelay.common.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.c2crelay.common.auth.SharedKey;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeySourceTest {
  private static final Map<String, String> NO_ENV = Map.of();
  private static final String SECRET = "hush-hush-hush-hush-hush";

  @TempDir private Path dir;

  private String file(byte[] content) throws Exception {
    return Files.write(dir.resolve("key"), content).toString();
  }

  private String file(String content) throws Exception {
    return file(content.getBytes(UTF_8));
  }

  @Test
  void noSourceReturnsNull() throws Exception {
    assertThat(KeySource.find(null, null, NO_ENV)).isNull();
  }

  @Test
  void eachSourceProvidesTheKey() throws Exception {
    assertThat(KeySource.find(SECRET, null, NO_ENV)).isNotNull();
    assertThat(KeySource.find(null, file(SECRET), NO_ENV)).isNotNull();
    assertThat(KeySource.find(null, null, Map.of("C2C_KEY", SECRET))).isNotNull();
  }

  @ParameterizedTest
  @CsvSource({"true, true, false", "true, false, true", "false, true, true", "true, true, true"})
  void severalSourcesAreRejected(boolean argument, boolean file, boolean variable) {
    assertThatIllegalArgumentException()
        .isThrownBy(
            () ->
                KeySource.find(
                    argument ? SECRET : null,
                    file ? dir.resolve("absent").toString() : null,
                    variable ? Map.of("C2C_KEY", "") : NO_ENV))
        .withMessage("give the key once: as KEY, with --key-file FILE, or in C2C_KEY");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "\t "})
  void emptyKeyIsRejected(String empty) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySource.find(empty, null, NO_ENV))
        .withMessage("KEY must not be empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySource.find(null, null, Map.of("C2C_KEY", empty)))
        .withMessage("C2C_KEY must not be empty");
  }

  @ParameterizedTest
  @ValueSource(strings = {"#key", " #key", "key #1", "key\t# 2"})
  void keyThatAFileCannotHoldIsRejected(String key) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySource.find(key, null, NO_ENV))
        .withMessageStartingWith("KEY must not begin with #");
  }

  @Test
  void undecodableVariableIsRejected() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySource.find(null, null, Map.of("C2C_KEY", "k\uFFFDy")))
        .withMessageContaining("--key-file");
  }

  static Stream<Arguments> files() {
    return Stream.of(
        Arguments.of("k\u00fc\ud0a4", List.of("")),
        Arguments.of("k\u00fc\ud0a4\n", List.of("")),
        Arguments.of("\uFEFFk\u00fc\ud0a4\n", List.of("")),
        Arguments.of("# comment\n\n \t\n  k\u00fc\ud0a4  ", List.of("")),
        Arguments.of(
            "k\u00fc\ud0a4 # laptop of J. Doe\r\n#x\rother\t#  2 \n",
            List.of("laptop of J. Doe", "2")),
        Arguments.of("k\u00fc\ud0a4 #\na#b\u0085\u2028c\n", List.of("", "")));
  }

  @ParameterizedTest
  @MethodSource("files")
  void fileHasKeysAndNames(String content, List<String> names) throws Exception {
    List<SharedKey> keys = KeyFile.of(file(content), "the file").read();
    assertThat(keys).extracting(SharedKey::name).isEqualTo(names);
    assertThat(keys.get(0)).isEqualTo(SharedKey.of("k\u00fc\ud0a4"));
  }

  @Test
  void keyIsReadOnceAndAgain() throws Exception {
    KeySource source = requireNonNull(KeySource.find(null, file("k1 # a"), NO_ENV));
    assertThat(source.keys()).hasSize(1);
    assertThat(source.first().name()).isEqualTo("a");
    file("k1 # a\nk2 # b");
    assertThat(source.keys()).hasSize(1);
    assertThat(requireNonNull(source.file()).read()).hasSize(2);
  }

  @Test
  void unreadableFileIsStartupFailure() throws Exception {
    assertFails(dir.resolve("absent").toString(), "does not exist");
    assertFails(dir.toString(), "cannot be read");
    assertFails(file(new byte[] {'k', (byte) 0xFF}), "is not UTF-8");
    assertFails(file("k".repeat(64 * 1024 + 1)), "is larger than 64k");
    assertFails(file("k\n".repeat(101)), "has more than 100 keys");
    assertFails(file("# nothing\n\n"), "has no key");
    assertFails(file(""), "has no key");
    assertFails("a\0b", "has an invalid path");
  }

  private static void assertFails(String file, String message) {
    assertThatExceptionOfType(StartupException.class)
        .isThrownBy(() -> KeySource.find(null, file, NO_ENV))
        .withMessage("the file given with --key-file " + message);
  }

  @Test
  void generatedKeysAre32UrlSafeCharacters() {
    assertThat(IntStream.range(0, 1000).mapToObj(i -> KeySource.generate()))
        .allSatisfy(key -> assertThat(key).matches("[A-Za-z0-9_][A-Za-z0-9_-]{31}"))
        .doesNotHaveDuplicates();
  }
}
