package io.c2crelay.relay.address;

import static java.util.concurrent.TimeUnit.HOURS;
import static java.util.concurrent.TimeUnit.MINUTES;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;

class AgentAddressesTest {
  private final AgentAddresses addresses = new AgentAddresses();
  private final ClientNetwork here = ClientNetwork.of(new InetSocketAddress("198.51.100.7", 1));

  @Test
  void agentIsExpectedWhereOneHasADialToMake() {
    addresses.attached(here, 0);
    assertThat(addresses.isExpected(here, 0)).isFalse();
    addresses.tokens(here, 2);
    assertThat(addresses.isExpected(here, 0)).isTrue();
    addresses.tokens(here, -2);
    assertThat(addresses.isExpected(here, 0)).isFalse();
  }

  @Test
  void agentIsExpectedForADayWhereOneWasAttached() {
    addresses.attached(here, 0);
    addresses.detached(here, 1000);
    assertThat(addresses.isAttached(here)).isFalse();
    assertThat(addresses.isExpected(here, 1000 + HOURS.toNanos(24) - 1)).isTrue();
    assertThat(addresses.isExpected(here, 1000 + HOURS.toNanos(24))).isFalse();
  }

  @Test
  void agentIsExpectedForAMinuteWhereAPreambleWasLate() {
    addresses.late(here, 1000);
    assertThat(addresses.isExpected(here, 1000 + MINUTES.toNanos(1) - 1)).isTrue();
    assertThat(addresses.isExpected(here, 1000 + MINUTES.toNanos(1))).isFalse();
    assertThat(addresses.isAttached(here)).isFalse();
  }

  @Test
  void agentIsNotExpectedFromElsewhere() {
    addresses.attached(here, 0);
    addresses.tokens(here, 1);
    ClientNetwork elsewhere = ClientNetwork.of(new InetSocketAddress("198.51.100.8", 1));
    assertThat(addresses.isExpected(elsewhere, 0)).isFalse();
    assertThat(addresses.isAttached(elsewhere)).isFalse();
  }

  @Test
  void sourcesAreForgottenBeyondALimitButNotThoseOfAttachedAgents() {
    addresses.attached(here, 0);
    for (int i = 0; i < 5000; i++) {
      ClientNetwork other =
          ClientNetwork.of(new InetSocketAddress("10.0." + i / 250 + "." + i % 250, 1));
      addresses.attached(other, 0);
      addresses.detached(other, 0);
    }
    assertThat(addresses.isAttached(here)).isTrue();
    assertThat(addresses.isExpected(ClientNetwork.of(new InetSocketAddress("10.0.0.0", 1)), 0))
        .isFalse();
  }
}
