package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SizesTest {

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "4096, 4096",
    "64k, 65536",
    "64K, 65536",
    "1m, 1048576",
    "2g, 2147483648",
    "999999999g, 1073741822926258176"
  })
  void parsesUnits(String text, long bytes) {
    assertThat(Sizes.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "k", "-1", "1.5m", "1 m", "1kb", "1t", "1234567890", "0x10", "1\u212A"})
  void rejectsInvalidTextWithoutRepeatingIt(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Sizes.parse(text))
        .withMessage("must be a size such as 64k, 1m or 2g");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "1", "1023", "1k", "1025k", "64k", "1m", "3014m", "2g", "4096g"})
  void formatsWhatItParses(String text) {
    assertThat(Sizes.format(Sizes.parse(text))).isEqualTo(text);
  }
}
