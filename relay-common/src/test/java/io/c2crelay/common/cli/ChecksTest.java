package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.netty.util.internal.PlatformDependent;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChecksTest {

  @ParameterizedTest
  @CsvSource({
    "localhost, localhost",
    "relay.example.org., relay.example.org.",
    "under_score, under_score",
    "bücher.example, bücher.example",
    "10.0.0.1, 10.0.0.1",
    "::, ::",
    "::1, ::1",
    "[::1], ::1",
    "[fe80::1%eth0], fe80::1%eth0"
  })
  void acceptsHosts(String text, String host) {
    assertThat(Checks.host("HOST", text)).isEqualTo(host);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "a b",
        "a\nb",
        "a\u007fb",
        "[]",
        "[::1",
        "::1]",
        "[host]",
        "host:22",
        "http://host",
        "u@host",
        "a\\b"
      })
  void rejectsInvalidHosts(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.host("HOST", text))
        .withMessage("HOST must be a host name or an IP address");
  }

  @Test
  void rejectsHostAbove255Characters() {
    assertThatIllegalArgumentException().isThrownBy(() -> Checks.host("HOST", "a".repeat(256)));
  }

  @Test
  void boundsAreInclusive() {
    Duration one = Duration.ofSeconds(1);
    Duration two = Duration.ofSeconds(2);
    assertThat(Checks.range("N", 1, 1, 2)).isEqualTo(1);
    assertThat(Checks.range("N", 2, 1, 2)).isEqualTo(2);
    assertThat(Checks.range("D", one, one, two)).isEqualTo(one);
    assertThat(Checks.rangeOrOff("D", two, one, two)).isEqualTo(two);
    assertThat(Checks.rangeOrOff("D", Duration.ZERO, one, two)).isZero();
  }

  @Test
  void outOfBoundsMessageNamesTheOption() {
    Duration one = Duration.ofSeconds(1);
    Duration two = Duration.ofSeconds(2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.range("--n", 3, 1, 2))
        .withMessage("--n must be from 1 to 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.range("--d", two.plusMillis(1), one, two))
        .withMessage("--d must be from 1s to 2s");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.rangeOrOff("--d", one.minusMillis(1), one, two))
        .withMessage("--d must be from 1s to 2s, or off");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.sessionMemory(65535))
        .withMessage("--session-memory must be from 64k to 1024g");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.drain(Duration.ofHours(25)))
        .withMessage("--drain must be from 0s to 24h");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checks.threads(257))
        .withMessage("--threads must be from 0 to 256");
  }

  @Test
  void defaultsDependOnTheMachine() {
    assertThat(Checks.threads(0)).isEqualTo(Runtime.getRuntime().availableProcessors());
    assertThat(Checks.threads(3)).isEqualTo(3);
    assertThat(Checks.defaultSessionMemory())
        .isBetween(
            PlatformDependent.maxDirectMemory() / 2 - (1 << 20),
            PlatformDependent.maxDirectMemory() / 2);
  }
}
