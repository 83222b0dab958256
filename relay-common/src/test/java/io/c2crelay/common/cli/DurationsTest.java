package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DurationsTest {

  @ParameterizedTest
  @CsvSource({
    "500ms, PT0.5S",
    "0, PT0S",
    "15, PT15S",
    "15s, PT15S",
    "2m, PT2M",
    "1h, PT1H",
    "007s, PT7S",
    "999999999h, PT999999999H"
  })
  void parsesUnits(String text, Duration expected) {
    assertThat(Durations.parse(text)).isEqualTo(expected);
    assertThat(Durations.parseOrOff(text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "s",
        "ms",
        "1d",
        "1.5s",
        "-1s",
        "+1",
        "1 s",
        "1S",
        "1s2m",
        "1234567890",
        "PT1S",
        "½s",
        "١s",
        "1s\n"
      })
  void rejectsInvalidTextWithoutRepeatingIt(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Durations.parse(text))
        .withMessage("must be a duration such as 500ms, 15s, 2m or 1h");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Durations.parseOrOff(text))
        .withMessage("must be a duration such as 500ms, 15s, 2m or 1h, or off");
  }

  @ParameterizedTest
  @ValueSource(strings = "off")
  void offIsZeroIfAllowed(String text) {
    assertThat(Durations.parseOrOff(text)).isZero();
    assertThatIllegalArgumentException().isThrownBy(() -> Durations.parse(text));
  }

  @ParameterizedTest
  @ValueSource(strings = {"0s", "25ms", "1500ms", "15s", "90s", "2m", "90m", "1h", "720h"})
  void formatsWhatItParses(String text) {
    assertThat(Durations.format(Durations.parse(text))).isEqualTo(text);
  }
}
