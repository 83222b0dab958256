package io.c2crelay.agent.connect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RouteTest {

  @ParameterizedTest
  @CsvSource({
    "22,, 22, 22",
    "1,, 1, 1",
    "65535,, 65535, 65535",
    "00022,, 22, 22",
    "db.lan:5432, db.lan, 5432, db.lan:5432",
    "10.0.0.7:80, 10.0.0.7, 80, 10.0.0.7:80",
    "[::1]:22, ::1, 22, [::1]:22",
    "[fe80::1%eth0]:22, fe80::1%eth0, 22, [fe80::1%eth0]:22"
  })
  void parsesAndFormats(String text, String host, int port, String formatted) {
    Route target = Route.parse(text);
    assertThat(target.host()).isEqualTo(host);
    assertThat(target.port()).isEqualTo(port);
    assertThat(target)
        .hasToString(formatted)
        .isEqualTo(Route.parse(formatted))
        .hasSameHashCodeAs(Route.parse(formatted));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "0",
        "65536",
        "99999",
        "123456",
        "-1",
        "+22",
        "22 ",
        "host",
        "host:",
        ":22",
        "host:0",
        "host:65536",
        "host:ssh",
        "::1:22",
        "a:b:22",
        "[::1]",
        "[::1]22",
        "[]:22",
        "[host]:22",
        "ho st:22",
        "http://host:22",
        "u@host:22",
        "host\n:22",
        "٢٢"
      })
  void rejectsInvalidText(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Route.parse(text))
        .withMessageMatching(
            "TARGET must be a port, .* from 1 to 65535|the host of TARGET must be .*");
  }

  @Test
  void equalityComparesHostAndPort() {
    assertThat(Route.parse("22"))
        .isNotEqualTo(Route.parse("23"))
        .isNotEqualTo(Route.parse("localhost:22"));
  }
}
