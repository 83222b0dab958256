package io.c2crelay.common.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeySourcesTest {
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
    assertThat(KeySources.key(null, null, NO_ENV)).isNull();
  }

  @Test
  void eachSourceProvidesTheKey() throws Exception {
    assertThat(KeySources.key(SECRET, null, NO_ENV)).isNotNull();
    assertThat(KeySources.key(null, file(SECRET), NO_ENV)).isNotNull();
    assertThat(KeySources.key(null, null, Map.of("C2C_KEY", SECRET))).isNotNull();
  }

  @ParameterizedTest
  @CsvSource({"true, true, false", "true, false, true", "false, true, true", "true, true, true"})
  void severalSourcesAreRejected(boolean argument, boolean file, boolean variable) {
    assertThatIllegalArgumentException()
        .isThrownBy(
            () ->
                KeySources.key(
                    argument ? SECRET : null,
                    file ? dir.resolve("absent").toString() : null,
                    variable ? Map.of("C2C_KEY", "") : NO_ENV))
        .withMessage("give the key once: as KEY, with --key-file FILE, or in C2C_KEY");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "\t "})
  void emptyKeyIsRejected(String empty) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySources.key(empty, null, NO_ENV))
        .withMessage("KEY must not be empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySources.key(null, null, Map.of("C2C_KEY", empty)))
        .withMessage("C2C_KEY must not be empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySources.key(null, file(empty + "\n" + SECRET), NO_ENV))
        .withMessage("the first line of the file given with --key-file must not be empty");
  }

  @Test
  void undecodableVariableIsRejected() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KeySources.key(null, null, Map.of("C2C_KEY", "k\uFFFDy")))
        .withMessageContaining("--key-file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "k\u00fc\ud0a4",
        "k\u00fc\ud0a4\n",
        "k\u00fc\ud0a4\r\nmore",
        "k\u00fc\ud0a4\rmore",
        "\uFEFFk\u00fc\ud0a4\n\uFFFF"
      })
  void readsFirstLineOfFile(String content) throws Exception {
    assertThat(KeySources.firstLine(file(content))).isEqualTo("k\u00fc\ud0a4");
  }

  @Test
  void bytesAfterFirstLineAreIgnored() throws Exception {
    assertThat(KeySources.firstLine(file(new byte[] {'k', '\n', (byte) 0xFF, 0}))).isEqualTo("k");
  }

  @Test
  void unreadableFileIsStartupFailure() throws Exception {
    assertFails(dir.resolve("absent").toString(), "the file given with --key-file does not exist");
    assertFails(dir.toString(), "the file given with --key-file cannot be read");
    assertFails(
        file(new byte[] {'k', (byte) 0xFF}),
        "the first line of the file given with --key-file is not UTF-8");
    assertFails(
        file("k".repeat(5000)), "the first line of the file given with --key-file is too long");
    assertFails("a\0b", "the file given with --key-file has an invalid path");
  }

  private static void assertFails(String file, String message) {
    assertThatExceptionOfType(StartupException.class)
        .isThrownBy(() -> KeySources.key(null, file, NO_ENV))
        .withMessage(message);
  }

  @Test
  void generatedKeysAre32UrlSafeCharacters() {
    assertThat(IntStream.range(0, 1000).mapToObj(i -> KeySources.generate()))
        .allSatisfy(key -> assertThat(key).matches("[A-Za-z0-9_][A-Za-z0-9_-]{31}"))
        .doesNotHaveDuplicates();
  }
}
