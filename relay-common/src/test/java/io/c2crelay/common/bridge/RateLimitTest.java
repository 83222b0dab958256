package io.c2crelay.common.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
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
      long wait = limit.waitNanos(now);
      if (wait > 0) {
        now += wait;
      } else {
        limit.took(read, now);
        bytes += read;
      }
    }
    long burst = Math.max(bytesPerSecond / 10, 16 * 1024) + read;
    assertThat(bytes).isBetween(seconds * bytesPerSecond, seconds * bytesPerSecond + 2 * burst);
  }
}
