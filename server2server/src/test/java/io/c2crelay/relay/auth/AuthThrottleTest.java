package io.c2crelay.relay.auth;

import static java.util.concurrent.TimeUnit.HOURS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.relay.address.ClientNetwork;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class AuthThrottleTest {
  private static final ClientNetwork NETWORK = network("198.51.100.7");
  private static final ClientNetwork OTHER_NETWORK = network("198.51.100.8");

  private final AuthThrottle throttle = new AuthThrottle();
  private final KeyRing.Entry key = entry("key");
  private final KeyRing keys = new KeyRing(List.of(entry("other"), key));
  private final InstanceId unknown = InstanceId.random(new SecureRandom());
  private final InstanceId known = InstanceId.random(new SecureRandom());
  private long now = Long.MAX_VALUE - SECONDS.toNanos(15); // nanoTime may overflow

  @Test
  void fiveFailuresThenOnePerTenSeconds() {
    for (int i = 0; i < 5; i++) {
      assertThat(allows(NETWORK)).as("wrong proof %d", i + 1).isTrue();
      throttle.recordFailure(NETWORK, now);
    }
    assertThat(allows(NETWORK)).isFalse();
    now += SECONDS.toNanos(10) - 1;
    assertThat(allows(NETWORK)).isFalse();
    now += 1;
    assertThat(allows(NETWORK)).isTrue();
    throttle.recordFailure(NETWORK, now);
    assertThat(allows(NETWORK)).isFalse();
    now += SECONDS.toNanos(50);
    for (int i = 0; i < 5; i++) {
      assertThat(allows(NETWORK)).as("wrong proof %d after refill", i + 1).isTrue();
      throttle.recordFailure(NETWORK, now);
    }
    assertThat(allows(NETWORK)).isFalse();
  }

  /** Exempt instances could otherwise keep their whole network throttled for days. */
  @Test
  void debtIsCappedAtBurst() {
    for (int i = 0; i < 1000; i++) {
      throttle.recordFailure(NETWORK, now);
    }
    now += SECONDS.toNanos(10) - 1;
    assertThat(allows(NETWORK)).isFalse();
    now += 1;
    assertThat(allows(NETWORK)).isTrue();
  }

  @Test
  void otherNetworksAreNotThrottled() {
    exhaust(NETWORK);
    assertThat(allows(OTHER_NETWORK)).isTrue();
  }

  @Test
  void successesAreNotThrottled() {
    for (int i = 0; i < 100; i++) {
      assertThat(allows(NETWORK)).isTrue();
      throttle.recordSuccess(unknown, key, now);
    }
  }

  @Test
  void authenticatedInstanceIsExemptForOneDay() {
    throttle.recordSuccess(known, key, now);
    exhaust(NETWORK);
    assertThat(throttle.allows(NETWORK, known, keys, now)).isTrue();
    now += HOURS.toNanos(24);
    exhaust(NETWORK);
    assertThat(throttle.allows(NETWORK, known, keys, now)).isFalse();
  }

  /** Who has the key of one service must not guess that of another, nor after it was removed. */
  @Test
  void exemptionIsOfTheServiceWhoseKeyItHas() {
    throttle.recordSuccess(known, key, now);
    exhaust(NETWORK);
    KeyRing otherService = new KeyRing(List.of(entry("other")));
    assertThat(throttle.allows(NETWORK, known, otherService, now)).isFalse();
  }

  private static KeyRing.Entry entry(String text) {
    return new KeyRing.Entry(SharedKey.of(text), new CompletableFuture<>());
  }

  @Test
  void ipv6AddressesShareTheirSlash64() {
    exhaust(network("2001:db8:1:2::1"));
    assertThat(allows(network("2001:db8:1:2:ffff::9"))).isFalse();
    assertThat(allows(network("2001:db8:1:3::1"))).isTrue();
  }

  private void exhaust(ClientNetwork network) {
    for (int i = 0; i < 5; i++) {
      throttle.recordFailure(network, now);
    }
  }

  private boolean allows(ClientNetwork network) {
    return throttle.allows(network, unknown, keys, now);
  }

  private static ClientNetwork network(String address) {
    return ClientNetwork.of(new InetSocketAddress(address, 1));
  }
}
