package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.netty.util.internal.PlatformDependent;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LimitsTest {

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
  void takesHosts(String text, String host) {
    assertThat(Limits.host("HOST", text)).isEqualTo(host);
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
  void refusesWhatNoResolverCouldTake(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.host("HOST", text))
        .withMessage("HOST must be a host name or an IP address");
  }

  @Test
  void refusesAHostLongerThanAnyName() {
    assertThatIllegalArgumentException().isThrownBy(() -> Limits.host("HOST", "a".repeat(256)));
  }

  @Test
  void theBoundsThemselvesAreAllowed() {
    Duration one = Duration.ofSeconds(1);
    Duration two = Duration.ofSeconds(2);
    assertThat(Limits.range("N", 1, 1, 2)).isEqualTo(1);
    assertThat(Limits.range("N", 2, 1, 2)).isEqualTo(2);
    assertThat(Limits.range("D", one, one, two)).isEqualTo(one);
    assertThat(Limits.rangeOrOff("D", two, one, two)).isEqualTo(two);
    assertThat(Limits.rangeOrOff("D", Duration.ZERO, one, two)).isZero();
  }

  @Test
  void whatIsOutsideIsRefusedByName() {
    Duration one = Duration.ofSeconds(1);
    Duration two = Duration.ofSeconds(2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.range("--n", 3, 1, 2))
        .withMessage("--n must be from 1 to 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.range("--d", two.plusMillis(1), one, two))
        .withMessage("--d must be from 1s to 2s");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.rangeOrOff("--d", one.minusMillis(1), one, two))
        .withMessage("--d must be from 1s to 2s, or off");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.sessionMemory(65535))
        .withMessage("--session-memory must be from 64k to 1024g");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.drain(Duration.ofHours(25)))
        .withMessage("--drain must be from 0s to 24h");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Limits.threads(257))
        .withMessage("--threads must be from 0 to 256");
  }

  @Test
  void theDefaultsFollowTheMachine() {
    assertThat(Limits.threads(0)).isEqualTo(Runtime.getRuntime().availableProcessors());
    assertThat(Limits.threads(3)).isEqualTo(3);
    assertThat(Limits.defaultSessionMemory())
        .isBetween(
            PlatformDependent.maxDirectMemory() / 2 - (1 << 20),
            PlatformDependent.maxDirectMemory() / 2);
  }
}
