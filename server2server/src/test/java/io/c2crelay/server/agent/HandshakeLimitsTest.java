package io.c2crelay.server.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.server.session.Source;
import io.netty.channel.embedded.EmbeddedChannel;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class HandshakeLimitsTest {
  private HandshakeLimits limits = HandshakeLimits.ofStrangers();

  @Test
  void oldestOfASourceMakesRoomForItsSixtyFifth() {
    Source source = source(1);
    List<HandshakeGuard> guards = enter(source, 64);
    assertThat(limits.enter(source, guard(source))).isSameAs(guards.get(0));
    assertThat(limits.size()).isEqualTo(64);
  }

  @Test
  void oldestOfTheSourceWithMostMakesRoomForTheTwoHundredAndFiftySeventh() {
    List<HandshakeGuard> most = enter(source(1), 64);
    for (int i = 2; i <= 5; i++) {
      enter(source(i), 48);
    }
    Source newcomer = source(6);
    assertThat(limits.enter(newcomer, guard(newcomer))).isSameAs(most.get(0));
    assertThat(limits.size()).isEqualTo(256);
  }

  @Test
  void anAgentsAddressHasRoomForTheDialsOfEight() {
    limits = HandshakeLimits.ofNeighbours();
    Source source = source(1);
    List<HandshakeGuard> guards = enter(source, 512);
    assertThat(limits.enter(source, guard(source))).isSameAs(guards.get(0));
  }

  @Test
  void thoseThatLeaveMakeRoom() {
    Source source = source(1);
    List<HandshakeGuard> guards = enter(source, 64);
    limits.leave(source, guards.get(10));
    limits.leave(source, guards.get(10));
    assertThat(limits.enter(source, guard(source))).isNull();
    assertThat(limits.enter(source, guard(source))).isSameAs(guards.get(0));
  }

  private List<HandshakeGuard> enter(Source source, int count) {
    List<HandshakeGuard> guards = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      HandshakeGuard guard = guard(source);
      assertThat(limits.enter(source, guard)).isNull();
      guards.add(guard);
    }
    return guards;
  }

  private static HandshakeGuard guard(Source source) {
    return new HandshakeGuard(new EmbeddedChannel(), source, HandshakeLimits.ofStrangers());
  }

  private static Source source(int last) {
    return Source.of(new InetSocketAddress("198.51.100." + last, 1));
  }
}
