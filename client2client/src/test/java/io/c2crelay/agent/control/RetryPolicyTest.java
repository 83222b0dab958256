package io.c2crelay.agent.control;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.control.RetryPolicy.Failure;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryPolicyTest {
  private final RetryPolicy retries = new RetryPolicy(() -> 0.5);

  private Duration delay(Failure failure) {
    return Duration.ofNanos(retries.delayNanos(failure, 0));
  }

  @ParameterizedTest
  @CsvSource({"1, PT0.25S", "2, PT0.25S", "3, PT30S", "10, PT30S", "11, PT5M", "100, PT5M"})
  void repeatedRefusalsSlowRetriesDown(int times, Duration expected) {
    for (int i = 1; i <= times; i++) {
      assertThat(retries.refused()).isEqualTo(i);
    }
    assertThat(delay(Failure.REFUSED)).isEqualTo(expected);
  }

  @Test
  void misclassificationsAreRetriedAtOnceFiveTimesInARow() {
    for (int i = 1; i <= 5; i++) {
      assertThat(retries.misclassified()).isTrue();
      assertThat(delay(Failure.MISCLASSIFIED)).isEqualTo(Duration.ofMillis(200));
    }
    assertThat(retries.misclassified()).isFalse();
  }

  @Test
  void attachingResetsTheCounts() {
    for (int i = 1; i <= 5; i++) {
      retries.refused();
      retries.misclassified();
    }
    retries.attached();
    assertThat(retries.refused()).isEqualTo(1);
    assertThat(retries.misclassified()).isTrue();
  }

  @Test
  void otherFailuresBackOffUntilAttachedForAMinute() {
    assertThat(delay(Failure.OTHER)).isEqualTo(Duration.ofMillis(250));
    assertThat(delay(Failure.OTHER)).isEqualTo(Duration.ofMillis(500));
    retries.detached(Duration.ofSeconds(59).toNanos());
    assertThat(delay(Failure.OTHER)).isEqualTo(Duration.ofMillis(750));
    retries.detached(Duration.ofSeconds(60).toNanos());
    assertThat(delay(Failure.OTHER)).isEqualTo(Duration.ofMillis(250));
  }

  @Test
  void versionIsRetriedAfterFiveMinutes() {
    assertThat(delay(Failure.VERSION)).isEqualTo(Duration.ofMinutes(5));
  }
}
