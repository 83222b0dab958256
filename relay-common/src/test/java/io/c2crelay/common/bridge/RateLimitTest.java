package io.c2crelay.common.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RateLimitTest {
  private static final long START = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(1); // may overflow

  /** A source that always has bytes is read at the rate, and a burst at the beginning. */
  @ParameterizedTest
  @CsvSource({"1024, 16384", "1048576, 16384", "1048576, 131072", "1073741824, 131072"})
  void rateIsKept(long bytesPerSecond, int read) {
    RateLimit limit = RateLimit.of(bytesPerSecond, START);
    long now = START;
    long bytes = 0;
    long seconds = 100;
    while (now - START < TimeUnit.SECONDS.toNanos(seconds)) {
      now += limit.takeTurn(now);
      limit.took(read, now);
      bytes += read;
    }
    long burst = Math.max(bytesPerSecond / 10, 16 * 1024) + read;
    assertThat(bytes).isBetween(seconds * bytesPerSecond, seconds * bytesPerSecond + 2 * burst);
  }

  /** Those that wait get a turn each, one after the other. */
  @Test
  void turnsAreTakenInOrder() {
    RateLimit limit = RateLimit.of(160 * 1024, START);
    limit.took(160 * 1024, START);
    List<Long> waits = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      waits.add(TimeUnit.NANOSECONDS.toMillis(limit.takeTurn(START)));
    }
    assertThat(waits).containsExactly(900L, 1_000L, 1_100L, 1_200L, 1_300L);
  }

  /** Bytes that cannot be held back do not keep others waiting for more than a second. */
  @Test
  void debtIsBounded() {
    RateLimit limit = RateLimit.of(1024 * 1024, START);
    for (int i = 0; i < 300; i++) {
      limit.took(64 * 1024, START);
    }
    assertThat(TimeUnit.NANOSECONDS.toMillis(limit.takeTurn(START))).isEqualTo(1_000);
  }
}
