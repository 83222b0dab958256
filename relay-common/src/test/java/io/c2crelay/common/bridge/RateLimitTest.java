package io.c2crelay.common.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RateLimitTest {
  private static final int TURN = RateLimit.TURN_BYTES;

  private final EmbeddedChannel clock = new EmbeddedChannel();
  private final List<String> turns = new ArrayList<>();

  @BeforeEach
  void start() {
    clock.freezeTime();
  }

  @AfterEach
  void stop() {
    clock.close();
  }

  private long now() {
    return clock.eventLoop().ticker().nanoTime();
  }

  private void pass(long millis) {
    for (long i = 0; i < millis; i++) {
      clock.advanceTimeBy(1, TimeUnit.MILLISECONDS);
      clock.runPendingTasks();
    }
  }

  private RateLimit limit(long bytesPerSecond) {
    return RateLimit.of(bytesPerSecond, now());
  }

  private RateLimit.Share share(RateLimit limit, String name) {
    return limit.newShare(clock.eventLoop(), () -> turns.add(name));
  }

  /** Reaches the limit: the next turn comes after this time. */
  private void reach(RateLimit limit, long bytes) {
    share(limit, "").took((int) bytes);
  }

  /** A source that always has bytes is read at the rate, and a burst at the beginning. */
  @ParameterizedTest
  @CsvSource({"16384, 16384", "1048576, 16384", "1048576, 131072", "104857600, 131072"})
  void rateIsKept(long bytesPerSecond, int read) {
    RateLimit.Share share = share(limit(bytesPerSecond), "turn");
    long bytes = 0;
    int seconds = 20;
    long end = now() + TimeUnit.SECONDS.toNanos(seconds);
    while (now() - end < 0) {
      if (share.awaitTurn()) {
        while (turns.isEmpty()) {
          pass(1);
        }
        turns.clear();
      }
      share.took(read);
      bytes += read;
    }
    long burst = Math.max(bytesPerSecond / 10, TURN) + read;
    assertThat(bytes)
        .isBetween((long) (0.9 * seconds * bytesPerSecond), seconds * bytesPerSecond + 2 * burst);
  }

  @Test
  void turnsComeInOrderOfArrival() {
    RateLimit limit = limit(10 * TURN);
    reach(limit, 10 * TURN);
    for (String name : List.of("a", "b", "c")) {
      assertThat(share(limit, name).awaitTurn()).isTrue();
    }
    pass(899);
    assertThat(turns).isEmpty();
    pass(1);
    assertThat(turns).containsExactly("a");
    pass(1000);
    assertThat(turns).containsExactly("a", "b", "c");
  }

  /** Otherwise sessions that come, read 16 KiB and go would make others wait for their turns. */
  @Test
  void closedSharesLeaveTheQueue() {
    RateLimit limit = limit(10 * TURN);
    reach(limit, 10 * TURN);
    for (int i = 0; i < 1000; i++) {
      RateLimit.Share share = share(limit, "gone");
      assertThat(share.awaitTurn()).isTrue();
      share.close();
    }
    assertThat(share(limit, "last").awaitTurn()).isTrue();
    pass(900);
    assertThat(turns).containsExactly("last");
  }

  @Test
  void turnsThatAreNotUsedAreReturned() {
    RateLimit limit = limit(TURN);
    reach(limit, 2 * TURN);
    for (int i = 0; i < 20; i++) {
      assertThat(share(limit, "silent").awaitTurn()).isTrue();
    }
    assertThat(share(limit, "last").awaitTurn()).isTrue();
    pass(1000 + 20 * 51); // instead of 21 s
    assertThat(turns).hasSize(21).last().isEqualTo("last");
  }

  @Test
  void closedSharesReturnWhatIsLeftOfTheirTurns() {
    RateLimit limit = limit(TURN);
    reach(limit, TURN + TURN / 2);
    RateLimit.Share first = share(limit, "first");
    assertThat(first.awaitTurn()).isTrue();
    assertThat(share(limit, "second").awaitTurn()).isTrue();
    pass(500);
    assertThat(turns).containsExactly("first");
    first.took(TURN / 4);
    pass(240);
    first.close();
    pass(9);
    assertThat(turns).containsExactly("first");
    pass(1); // a quarter of a turn after the first
    assertThat(turns).containsExactly("first", "second");
  }

  @Test
  void newSharesWaitBehindOthers() {
    RateLimit limit = limit(TURN);
    assertThat(share(limit, "").awaitTurn()).as("the limit is not reached").isFalse();
    reach(limit, 2 * TURN);
    assertThat(share(limit, "old").awaitTurn()).isTrue();
    assertThat(share(limit, "new").awaitTurn()).isTrue();
    pass(1000);
    assertThat(turns).containsExactly("old");
  }

  /** Bytes that were not held back do not make others wait for more than a second. */
  @Test
  void debtIsBounded() {
    RateLimit limit = limit(1024 * 1024);
    for (int i = 0; i < 300; i++) {
      reach(limit, 64 * 1024);
    }
    assertThat(share(limit, "turn").awaitTurn()).isTrue();
    pass(999);
    assertThat(turns).isEmpty();
    pass(1);
    assertThat(turns).containsExactly("turn");
  }
}
