package io.c2crelay.relay.address;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConnectionLimitTest {
  private final ConnectionLimit<Object> limit = ConnectionLimit.of(256, 64);

  @Test
  void oldestOfASourceMakesRoomForItsSixtyFifth() {
    List<Object> held = enter(network(1), 64);
    assertThat(limit.enter(network(1), new Object())).isSameAs(held.get(0));
    assertThat(limit.size()).isEqualTo(64);
  }

  @Test
  void oldestOfTheSourceWithMostMakesRoomForTheTwoHundredAndFiftySeventh() {
    List<Object> most = enter(network(1), 64);
    for (int i = 2; i <= 5; i++) {
      enter(network(i), 48);
    }
    Object newcomer = new Object();
    assertThat(limit.enter(network(6), newcomer)).isSameAs(most.get(0));
    assertThat(limit.size()).isEqualTo(256);
    assertThat(limit.all()).hasSize(256).contains(newcomer).doesNotContain(most.get(0));
  }

  @Test
  void limitsCanChange() {
    List<Object> held = enter(network(1), 64);
    limit.change(512, 65);
    assertThat(limit.enter(network(1), new Object())).isNull();
    limit.change(512, 64);
    assertThat(limit.enter(network(1), new Object())).isSameAs(held.get(0));
  }

  @Test
  void thoseThatLeaveMakeRoom() {
    List<Object> held = enter(network(1), 64);
    limit.leave(network(1), held.get(10));
    limit.leave(network(1), held.get(10));
    assertThat(limit.enter(network(1), new Object())).isNull();
    assertThat(limit.enter(network(1), new Object())).isSameAs(held.get(0));
  }

  private List<Object> enter(ClientNetwork network, int count) {
    List<Object> held = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Object connection = new Object();
      assertThat(limit.enter(network, connection)).isNull();
      held.add(connection);
    }
    return held;
  }

  private static ClientNetwork network(int last) {
    return ClientNetwork.of(new InetSocketAddress("198.51.100." + last, 1));
  }
}
