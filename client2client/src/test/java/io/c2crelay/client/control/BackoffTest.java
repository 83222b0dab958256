package io.c2crelay.client.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackoffTest {
  /** The highest that random may be: what is waited is the limit, but for a rounding. */
  private static final double ALMOST_ONE = Math.nextDown(1.0);

  private double random = ALMOST_ONE;
  private final Backoff backoff = new Backoff(() -> random);
  private long now = TimeUnit.DAYS.toNanos(-1); // a clock may begin anywhere

  @Test
  void theLimitDoublesFromHalfASecondTo1500Milliseconds() {
    assertThat(next()).isEqualTo(500);
    assertThat(next()).isEqualTo(1_000);
    for (int i = 0; i < 100; i++) {
      assertThat(next()).isEqualTo(1_500);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "0.25, 125", "0.5, 250", "0.99, 495"})
  void anyPartOfTheLimitMayBeWaited(double part, long millis) {
    random = part;
    assertThat(next()).isEqualTo(millis);
  }

  @Test
  void after10MinutesOfAnOutageTheLimitIs30Seconds() {
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
  void anOutageBeginsWithItsFirstWait() {
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
  void aMinuteAttachedEndsTheOutage() {
    longOutage();
    backoff.attachedFor(TimeUnit.SECONDS.toNanos(60));
    assertThat(next()).isEqualTo(500);
    assertThat(next()).isEqualTo(1_000);
    assertThat(next()).isEqualTo(1_500);
    assertThat(next()).isEqualTo(1_500);
  }

  @Test
  void lessThanAMinuteDoesNot() {
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
    return Math.round(backoff.nextNanos(now) / 1e6);
  }
}
