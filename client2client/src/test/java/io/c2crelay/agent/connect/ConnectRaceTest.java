package io.c2crelay.agent.connect;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.Channel;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Three addresses, in frozen time. */
class ConnectRaceTest {
  private final EmbeddedChannel clock = new EmbeddedChannel();
  private final List<Promise<Channel>> tried = new ArrayList<>();
  private Promise<Channel> result;

  @BeforeEach
  void start() {
    clock.freezeTime();
    Queue<InetSocketAddress> addresses = new ArrayDeque<>();
    for (int port = 1; port <= 3; port++) {
      addresses.add(new InetSocketAddress("192.0.2.1", port));
    }
    result = ConnectRace.start(addresses, this::connect, clock.eventLoop());
  }

  @AfterEach
  void stop() {
    clock.finishAndReleaseAll();
  }

  private Future<Channel> connect(InetSocketAddress address) {
    assertThat(address.getPort()).isEqualTo(tried.size() + 1);
    Promise<Channel> connecting = clock.eventLoop().newPromise();
    tried.add(connecting);
    return connecting;
  }

  private void pass(long millis) {
    clock.advanceTimeBy(millis, MILLISECONDS);
    clock.runScheduledPendingTasks();
    clock.runPendingTasks();
  }

  private EmbeddedChannel connected(int index) {
    EmbeddedChannel channel = new EmbeddedChannel();
    tried.get(index).setSuccess(channel);
    clock.runPendingTasks();
    return channel;
  }

  private void fail(int index) {
    tried.get(index).setFailure(new ConnectException("address " + index));
    clock.runPendingTasks();
  }

  @Test
  void firstAddressIsUsedIfItAnswersInTime() {
    pass(249);
    EmbeddedChannel channel = connected(0);
    assertThat(result.getNow()).isSameAs(channel);
    pass(10_000);
    assertThat(tried).hasSize(1);
    assertThat(channel.isOpen()).isTrue();
  }

  @Test
  void nextAddressIsTriedAfterAQuarterOfASecond() {
    pass(250);
    assertThat(tried).hasSize(2);
    EmbeddedChannel winner = connected(1);
    assertThat(result.getNow()).isSameAs(winner);
    assertThat(connected(0).isOpen()).as("too late").isFalse();
    pass(10_000);
    assertThat(tried).hasSize(2);
  }

  @Test
  void nextAddressIsTriedAtOnceAfterAFailure() {
    fail(0);
    assertThat(tried).hasSize(2);
    pass(249);
    assertThat(tried).hasSize(2);
    pass(1);
    assertThat(tried).hasSize(3);
    EmbeddedChannel winner = connected(1);
    assertThat(result.getNow()).isSameAs(winner);
    assertThat(connected(2).isOpen()).isFalse();
  }

  @Test
  void firstFailureIsReportedWhenAllHaveFailed() {
    pass(250);
    pass(250);
    assertThat(tried).hasSize(3);
    fail(2);
    fail(0);
    assertThat(result.isDone()).isFalse();
    fail(1);
    assertThat(result.cause()).hasMessage("address 2");
  }

  @Test
  void cancelledRaceTriesNoMore() {
    result.cancel(false);
    pass(10_000);
    assertThat(tried).hasSize(1);
    assertThat(connected(0).isOpen()).isFalse();
  }
}
