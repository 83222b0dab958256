package io.c2crelay.common.logging;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class LogThrottleTest {
  private final LogThrottle throttle =
      LogThrottle.of(LoggerFactory.getLogger(LogThrottleTest.class), "test.event", 3);

  @Test
  void limitsLinesPerWindow() {
    long now = System.nanoTime();
    for (int window = 0; window < 3; window++) {
      for (int line = 1; line <= 10; line++) {
        assertThat(throttle.allows(now)).as("line %d", line).isEqualTo(line <= 3);
      }
      now += SECONDS.toNanos(10) + 1;
    }
  }
}
