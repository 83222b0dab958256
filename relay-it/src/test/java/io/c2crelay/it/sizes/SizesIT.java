package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.SequenceEchoTarget;
import io.c2crelay.it.support.SequenceEchoTarget.Seen;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * The documented capacities, one after another through the same relay and agent, which run with the
 * JVM flags of their systemd units. After each, their resources return to those of idle.
 */
@Tag("full")
@Timeout(150)
@Isolated("measures throughput and memory")
class SizesIT {

  private static final long GIB = 1024L * 1024 * 1024;
  private static final Duration LONG = Duration.ofSeconds(120);
  private static final Duration SOON = Duration.ofSeconds(20);

  /** For compiled code and the caches of Netty's allocator. */
  private static final long RESIDENT_SLACK_MIB = 64;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static Target target;
  private static UnitPair pair;

  private final SequenceEchoTarget echoTarget = SequenceEchoTarget.answering();

  @BeforeAll
  static void startPair() throws Exception {
    target = SHARED.target(SequenceEchoTarget.answering());
    pair = UnitPair.start(SHARED, target);
    pair.warmUp();
  }

  @BeforeEach
  void useEchoTarget() {
    target.setBehaviour(echoTarget);
  }

  @AfterEach
  void assertTargetBytesCorrect() {
    echoTarget.assertNoErrors();
    assertThat(echoTarget.connectionsWithoutData()).isZero();
  }

  private static void assertIdleAfter(String what) {
    pair.assertIdle(what, RESIDENT_SLACK_MIB);
  }

  // ---- a gibibyte

  /** Both ends of a session that the test controls. */
  private record Ends(TcpEnd user, TcpEnd target) {}

  private Ends openSession() {
    target.setManual();
    int millis = (int) LONG.toMillis();
    TcpEnd user = harness.user(pair.address().getPort()).timeout(millis).send("u");
    TcpEnd atTarget = harness.keep(target.next()).timeout(millis);
    atTarget.receive(1);
    return new Ends(user, atTarget);
  }

  @Test
  void gibibyteBothWays() {
    Ends ends = openSession();
    UsageStopwatch watch = pair.stopwatch();
    Async<Bulk.Sum> userSends = Bulk.send(ends.user(), 1, GIB);
    Async<Bulk.Sum> targetSends = Bulk.send(ends.target(), 2, GIB);
    Async<Bulk.Sum> targetReceives = Bulk.receive(ends.target());
    Async<Bulk.Sum> userReceives = Bulk.receive(ends.user());
    assertThat(targetReceives.get(LONG)).isEqualTo(userSends.get(LONG));
    assertThat(userReceives.get(LONG)).isEqualTo(targetSends.get(LONG));
    Measured.report(
        "1 GiB both ways", "%.0f MB/s each way, %s", GIB / 1e6 / watch.seconds(), watch);
    assertIdleAfter("1 GiB both ways");
  }

  /** The user stops reading in one session, the target in another. */
  @Test
  void gibibyteWithPausedReader() throws Exception {
    Ends toUser = openSession();
    Ends toTarget = openSession();
    target.setBehaviour(echoTarget);
    AtomicLong sentByTarget = new AtomicLong();
    AtomicLong sentByUser = new AtomicLong();
    Async<Bulk.Sum> targetSends = Bulk.send(toUser.target(), 3, GIB, sentByTarget);
    Async<Bulk.Sum> userSends = Bulk.send(toTarget.user(), 4, GIB, sentByUser);
    UsageStopwatch pauseWatch = pair.stopwatch();
    for (int session = 0; pauseWatch.seconds() < 30; session++) {
      pair.shortSession(session, 10_000);
      TimeUnit.SECONDS.sleep(1);
    }
    long accepted = sentByTarget.get() + sentByUser.get();
    Measured.report(
        "2 readers paused, 1 GiB to each", "%d kB accepted, %s", accepted / 1000, pauseWatch);
    UsageStopwatch watch = pair.stopwatch();
    Async<Bulk.Sum> userReceives = Bulk.receive(toUser.user());
    Async<Bulk.Sum> targetReceives = Bulk.receive(toTarget.target());
    assertThat(userReceives.get(LONG)).isEqualTo(targetSends.get(LONG));
    assertThat(targetReceives.get(LONG)).isEqualTo(userSends.get(LONG));
    Measured.report("2 paused readers resume, 1 GiB each", "%s", watch);
    assertThat(accepted).as("bytes accepted from the senders").isLessThan(GIB / 16);
    toUser.user().finish();
    toTarget.target().finish();
    assertIdleAfter("paused readers");
  }

  // ---- thousands of sessions

  @Test
  void thousandConcurrentSessions() throws IOException {
    int count = 1_000;
    int rounds = 4;
    int chunk = 16 * 1024;
    UsageStopwatch watch = pair.stopwatch();
    List<TalkingUser> users = new ArrayList<>();
    for (int session = 0; session < count; session++) {
      users.add(harness.keep(TalkingUser.connect(pair.address(), session)));
    }
    for (int round = 0; round < rounds; round++) {
      for (TalkingUser user : users) {
        user.send(chunk + user.session());
      }
      for (TalkingUser user : users) {
        user.receive(chunk + user.session());
      }
    }
    pair.awaitSessions(count);
    Measured.report("1000 sessions open", "%s", watch);
    for (TalkingUser user : users) {
      user.finish();
    }
    Measured.report("1000 concurrent sessions", "%s", watch);
    assertIdleAfter("1000 concurrent sessions");
    assertThat(echoTarget.seen())
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count)
                .mapToObj(session -> new Seen(session, rounds * (chunk + session), Ending.FIN))
                .toList());
  }

  @Test
  void tenThousandShortSessions() {
    int count = 10_000;
    int workers = 8;
    UsageStopwatch watch = pair.stopwatch();
    List<Async<Void>> work =
        IntStream.range(0, workers)
            .mapToObj(worker -> Async.run(() -> shortSessions(worker, workers, count)))
            .toList();
    work.forEach(worker -> worker.get(LONG));
    Measured.report("10000 short sessions", "%.0f a second, %s", count / watch.seconds(), watch);
    assertIdleAfter("10000 short sessions");
    assertThat(echoTarget.seen())
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count)
                .mapToObj(session -> new Seen(session, length(session), Ending.FIN))
                .toList());
  }

  private static Void shortSessions(int first, int step, int count) throws IOException {
    for (int session = first; session < count; session += step) {
      pair.shortSession(session, length(session));
    }
    return null;
  }

  private static int length(int session) {
    return 8 + session % 3_000;
  }

  // ---- readers that stall

  @Test
  void thousandStalledReadersDoNotSlowOthers() throws Exception {
    int count = 1_000;
    TalkingUser other = harness.keep(TalkingUser.connect(pair.address(), count));
    double before = throughput(other);

    StalledReaders stalled = new StalledReaders();
    target.setBehaviour(stalled);
    UsageStopwatch watch = pair.stopwatch();
    stalled.open(harness, pair.address(), count);
    stalled.awaitStalled();
    double during = throughput(other);
    Measured.report(
        "beside 1000 stalled readers",
        "%.0f MB/s before, %.0f MB/s during, ratio %.2f, %s",
        before / 1e6,
        during / 1e6,
        during / before,
        watch);
    pair.assertBuffered(count * 8 * 1024L);

    target.setBehaviour(echoTarget);
    pair.shortSession(count + 1, 10_000);
    stalled.resume();
    other.finish();
    assertIdleAfter("1000 stalled readers");
    assertThat(during / before).as("relative throughput beside stalled readers").isGreaterThan(0.5);
  }

  /** The echoed bytes per second: the best of several attempts, to ignore other load. */
  private static double throughput(TalkingUser user) throws IOException {
    long length = 16 * 1024 * 1024;
    double best = 0;
    for (int i = 0; i < 5; i++) {
      long begin = System.nanoTime();
      Async<Void> sending =
          Async.run(
              () -> {
                user.send(length);
                return null;
              });
      user.receive(length);
      best = Math.max(best, length * 1e9 / (System.nanoTime() - begin));
      sending.get(Duration.ofSeconds(1));
    }
    return best;
  }
}
