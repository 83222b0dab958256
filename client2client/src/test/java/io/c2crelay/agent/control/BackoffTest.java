package io.c2crelay.agent.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackoffTest {
  /** The largest random fraction: the delay is the limit, except for rounding. */
  private static final double ALMOST_ONE = Math.nextDown(1.0);

  private double random = ALMOST_ONE;
  private final Backoff backoff = new Backoff(() -> random);
  private long now = TimeUnit.DAYS.toNanos(-1); // any start value is valid

  @Test
  void limitDoublesFrom500To1500Millis() {
    assertThat(next()).isEqualTo(500);
    assertThat(next()).isEqualTo(1_000);
    for (int i = 0; i < 100; i++) {
      assertThat(next()).isEqualTo(1_500);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "0.25, 125", "0.5, 250", "0.99, 495"})
  void delayIsRandomFractionOfLimit(double fraction, long millis) {
    random = fraction;
    assertThat(next()).isEqualTo(millis);
  }

  @Test
  void limitIs30SecondsAfter10MinuteOutage() {
    while (now < TimeUnit.DAYS.toNanos(-1) + TimeUnit.MINUTES.toNanos(10)) {
      assertThat(next()).isLessThanOrEqualTo(1_500);
      now += TimeUnit.SECONDS.toNanos(1);
    }
    for (int i = 0; i < 100; i++) {
      assertThat(next()).isEqualTo(30_000);
      now += TimeUnit.HOURS.toNanos(1);
    }
  }

  @Test
  void outageBeginsAtFirstDelay() {
    now += TimeUnit.HOURS.toNanos(1);
    next();
    now += TimeUnit.MINUTES.toNanos(10) - 1;
    for (int i = 0; i < 10; i++) {
      assertThat(next()).isLessThanOrEqualTo(1_500);
    }
    now += 1;
    assertThat(next()).isEqualTo(30_000);
  }

  @Test
  void attachedForOneMinuteEndsOutage() {
    longOutage();
    backoff.attachedFor(TimeUnit.SECONDS.toNanos(60));
    assertThat(next()).isEqualTo(500);
    assertThat(next()).isEqualTo(1_000);
    assertThat(next()).isEqualTo(1_500);
    assertThat(next()).isEqualTo(1_500);
  }

  @Test
  void attachedForLessThanOneMinuteContinuesOutage() {
    longOutage();
    backoff.attachedFor(TimeUnit.SECONDS.toNanos(60) - 1);
    assertThat(next()).isEqualTo(30_000);
  }

  private void longOutage() {
    for (int i = 0; i < 10; i++) {
      next();
    }
    now += TimeUnit.MINUTES.toNanos(11);
    assertThat(next()).isEqualTo(30_000);
  }

  private long next() {
    return Math.round(backoff.nextDelayNanos(now) / 1e6);
  }
}
