package io.c2crelay.common.logging;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class LogTextTest {

  static Object[] texts() {
    return new Object[] {
      Arguments.of("", ""),
      Arguments.of("plain text 1/2 [::1]:22", "plain text 1/2 [::1]:22"),
      Arguments.of("bücher 키 \uD83D\uDE00", "bücher 키 \uD83D\uDE00"),
      Arguments.of("a\r\nb\tc", "a\\r\\nb\\tc"),
      Arguments.of("a\\nb", "a\\\\nb"),
      Arguments.of("\u001B[31m\u0000\u007F\u0085", "\\u001b[31m\\u0000\\u007f\\u0085"),
      Arguments.of("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
      Arguments.of("a\u202Eb\uFEFF\u200B", "a\\u202eb\\ufeff\\u200b"),
      Arguments.of("\uD83D alone", "\\ud83d alone"),
      Arguments.of("\uDB40\uDC41", "\\U000e0041"),
      Arguments.of(null, "null"),
    };
  }

  @ParameterizedTest
  @MethodSource("texts")
  void escapesControlCharacters(String text, String expected) {
    assertThat(LogText.safe(text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "plain|plain",
        "[::1]:22|[::1]:22",
        "a b|\"a b\"",
        "``|\"\"",
        "a=b|\"a=b\"",
        "a\"b|\"a\\\"b\"",
        "a\\b|\"a\\\\b\"",
        "a\u00a0b|\"a\u00a0b\"",
        "a\u202Eb|\"a\\u202eb\"",
        "b\u00fccher|b\u00fccher"
      })
  void quotesValuesIfNecessary(String text, String expected) {
    assertThat(LogText.value(text)).isEqualTo(expected);
    assertThat(LogText.value(null)).isEqualTo("-");
  }

  @Test
  void truncatesLongText() {
    assertThat(LogText.safe("x".repeat(256))).isEqualTo("x".repeat(256));
    assertThat(LogText.safe("x".repeat(257))).isEqualTo("x".repeat(256) + "...");
    assertThat(LogText.safe("\uD83D\uDE00".repeat(1000))).hasSize(256 + 3);
  }
}
