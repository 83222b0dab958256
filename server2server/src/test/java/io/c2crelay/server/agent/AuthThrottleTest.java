package io.c2crelay.server.agent;

import static java.util.concurrent.TimeUnit.HOURS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.server.session.Source;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import org.junit.jupiter.api.Test;

class AuthThrottleTest {
  private static final Source HERE = source("198.51.100.7");
  private static final Source ELSEWHERE = source("198.51.100.8");

  private final AuthThrottle throttle = new AuthThrottle();
  private final InstanceId stranger = InstanceId.random(new SecureRandom());
  private final InstanceId friend = InstanceId.random(new SecureRandom());
  private long now = Long.MAX_VALUE - SECONDS.toNanos(15); // nanoTime may overflow

  @Test
  void fiveWrongProofsAtOnceThenOneInTenSeconds() {
    for (int i = 0; i < 5; i++) {
      assertThat(allows(HERE)).as("wrong proof %d", i + 1).isTrue();
      throttle.wrong(HERE, now);
    }
    assertThat(allows(HERE)).isFalse();
    now += SECONDS.toNanos(10) - 1;
    assertThat(allows(HERE)).isFalse();
    now += 1;
    assertThat(allows(HERE)).isTrue();
    throttle.wrong(HERE, now);
    assertThat(allows(HERE)).isFalse();
    now += SECONDS.toNanos(50);
    for (int i = 0; i < 5; i++) {
      assertThat(allows(HERE)).as("wrong proof %d, a while later", i + 1).isTrue();
      throttle.wrong(HERE, now);
    }
    assertThat(allows(HERE)).isFalse();
  }

  /** Those of a known instance are never stopped: without end, they would stop others for days. */
  @Test
  void manyWrongProofsAreForgottenAsSoonAsFive() {
    for (int i = 0; i < 1000; i++) {
      throttle.wrong(HERE, now);
    }
    now += SECONDS.toNanos(10) - 1;
    assertThat(allows(HERE)).isFalse();
    now += 1;
    assertThat(allows(HERE)).isTrue();
  }

  @Test
  void otherSourcesAreNotSlowed() {
    exhaust(HERE);
    assertThat(allows(ELSEWHERE)).isTrue();
  }

  @Test
  void rightProofsCostNothing() {
    for (int i = 0; i < 100; i++) {
      assertThat(allows(HERE)).isTrue();
      throttle.right(stranger, now);
    }
  }

  @Test
  void agentThatAuthenticatedWithinADayIsNotSlowedBehindAGuessersAddress() {
    throttle.right(friend, now);
    exhaust(HERE);
    assertThat(throttle.allows(HERE, friend, now)).isTrue();
    now += HOURS.toNanos(24);
    exhaust(HERE);
    assertThat(throttle.allows(HERE, friend, now)).isFalse();
  }

  @Test
  void oneIpv6NetworkIsOneSource() {
    exhaust(source("2001:db8:1:2::1"));
    assertThat(allows(source("2001:db8:1:2:ffff::9"))).isFalse();
    assertThat(allows(source("2001:db8:1:3::1"))).isTrue();
  }

  private void exhaust(Source source) {
    for (int i = 0; i < 5; i++) {
      throttle.wrong(source, now);
    }
  }

  private boolean allows(Source source) {
    return throttle.allows(source, stranger, now);
  }

  private static Source source(String address) {
    return Source.of(new InetSocketAddress(address, 1));
  }
}
