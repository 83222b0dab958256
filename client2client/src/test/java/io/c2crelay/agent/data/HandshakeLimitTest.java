package io.c2crelay.agent.data;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HandshakeLimitTest {
  private final HandshakeLimit limit = new HandshakeLimit(HandshakeLimit.MAX, 0);
  private long nowNanos;

  private void succeed(int times, long millis) {
    for (int i = 0; i < times; i++) {
      limit.succeeded(MILLISECONDS.toNanos(millis), allowed(), nowNanos);
    }
  }

  private int allowed() {
    int n = 0;
    while (limit.allows(n)) {
      n++;
    }
    return n;
  }

  @Test
  void startsLow() {
    assertThat(allowed()).isEqualTo(8);
  }

  @Test
  void growsWhileHandshakesTakeAsLongAsTheShortest() {
    succeed(3000, 300);
    assertThat(allowed()).isEqualTo(HandshakeLimit.MAX);
  }

  @Test
  void growsFastUntilTheFirstSlowHandshake() {
    succeed(56, 300);
    assertThat(allowed()).isEqualTo(HandshakeLimit.MAX);
  }

  @Test
  void growsSlowlyAfterwards() {
    succeed(1, 10);
    succeed(1, 41);
    int allowed = allowed();
    succeed(2 * allowed, 10);
    assertThat(allowed()).isBetween(allowed + 1, allowed + 3);
  }

  @Test
  void staysWhenItIsNotReached() {
    for (int i = 0; i < 1000; i++) {
      limit.succeeded(MILLISECONDS.toNanos(10), 7, nowNanos);
    }
    assertThat(allowed()).isEqualTo(8);
  }

  @Test
  void shrinksWhenHandshakesTakeSeveralTimesAsLong() {
    succeed(3000, 10);
    succeed(100, 41);
    assertThat(allowed()).isEqualTo(HandshakeLimit.MIN);
  }

  @Test
  void staysInBetween() {
    succeed(1, 10);
    succeed(1000, 30);
    assertThat(allowed()).isEqualTo(9);
  }

  @Test
  void getsUsedToALongerPath() {
    succeed(100, 10);
    succeed(100, 100);
    assertThat(allowed()).isEqualTo(HandshakeLimit.MIN);
    for (int i = 0; i < 2; i++) {
      nowNanos += SECONDS.toNanos(30);
      succeed(3000, 100);
    }
    assertThat(allowed()).isEqualTo(HandshakeLimit.MAX);
  }
}
