package io.c2crelay.relay.address;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AccessRulesTest {
  private static AddressList list(String text) {
    return text == null ? AddressList.EMPTY : AddressList.parse("--allow", text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "192.0.2.0/24              | 192.0.2.255    | true",
        "192.0.2.0/24              | 192.0.3.0      | false",
        "192.0.2.7                 | 192.0.2.7      | true",
        "192.0.2.7                 | 192.0.2.8      | false",
        "0.0.0.0/0                 | 203.0.113.1    | true",
        "0.0.0.0/0                 | 2001:db8::1    | false",
        "::/0                      | 2001:db8::1    | true",
        "::/0                      | 203.0.113.1    | false",
        "2001:db8::/32,192.0.2.0/24 | 2001:db8:1::1 | true",
        "2001:db8::/32, 192.0.2.0/24 | 192.0.2.1    | true",
        "2001:db8::/32             | 2001:db9::1    | false",
        "2001:db8::1               | 2001:db8::1    | true",
        "::ffff:192.0.2.7          | 192.0.2.7      | true",
      })
  void listContainsItsNetworks(String list, String address, boolean contains) {
    assertThat(list(list).contains(new InetSocketAddress(address, 1))).isEqualTo(contains);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "host",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/x",
        "192.0.2",
        "::/129",
        ","
      })
  void invalidListIsAnError(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AddressList.parse("--allow", text))
        .withMessage("--allow needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "              |            | 192.0.2.1 | true",
        "192.0.2.0/24  |            | 192.0.2.1 | true",
        "192.0.2.0/24  |            | 192.0.3.1 | false",
        "              | 192.0.2.1  | 192.0.2.1 | false",
        "              | 192.0.2.1  | 192.0.2.2 | true",
        "192.0.2.0/24  | 192.0.2.1  | 192.0.2.1 | false",
        "192.0.2.0/24  | 192.0.2.1  | 192.0.2.2 | true",
      })
  void deniedUsersAreNotAllowed(String allow, String deny, String address, boolean allowed) {
    AccessRules rules = AccessRules.of(list(allow), list(deny), AddressList.EMPTY, 0);
    InetSocketAddress client = new InetSocketAddress(address, 1);
    assertThat(rules.allowsUser(client)).isEqualTo(allowed);
    assertThat(rules.allowsAgent(client)).isTrue();
  }

  @Test
  void agentsHaveAListOfTheirOwn() {
    AccessRules rules =
        AccessRules.of(AddressList.EMPTY, AddressList.EMPTY, list("192.0.2.0/24"), 0);
    InetSocketAddress inside = new InetSocketAddress("192.0.2.1", 1);
    InetSocketAddress outside = new InetSocketAddress("192.0.3.1", 1);
    assertThat(rules.allowsAgent(inside)).isTrue();
    assertThat(rules.allowsAgent(outside)).isFalse();
    assertThat(rules.allowsUser(outside)).isTrue();
  }

  /** A network that tries all the time gets its rate, and others are not affected. */
  @Test
  void sessionsOfANetworkAreLimitedInRate() {
    AccessRules rules = AccessRules.of(AddressList.EMPTY, AddressList.EMPTY, AddressList.EMPTY, 10);
    ClientNetwork network = ClientNetwork.of(new InetSocketAddress("192.0.2.1", 1));
    ClientNetwork other = ClientNetwork.of(new InetSocketAddress("192.0.2.2", 1));
    long start = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(1); // nanoTime may overflow
    int admitted = 0;
    for (int millis = 0; millis < 2000; millis++) {
      admitted +=
          rules.admitsSession(network, start + TimeUnit.MILLISECONDS.toNanos(millis)) ? 1 : 0;
    }
    assertThat(admitted).isEqualTo(10 + 19);
    assertThat(rules.admitsSession(other, start)).isTrue();
  }
}
