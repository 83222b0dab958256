package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Ledger;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
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
 * The stated sizes, one after the other through the same relay and agent, which run as their
 * systemd units run them; after each, nothing is left of it.
 */
@Tag("full")
@Timeout(150)
@Isolated("it measures")
class SizesIT {

  private static final long GIB = 1024L * 1024 * 1024;
  private static final Duration LONG = Duration.ofSeconds(120);
  private static final Duration SOON = Duration.ofSeconds(20);

  /** What the JVM compiles, and what Netty's allocator keeps for the next time. */
  private static final long RESIDENT_SLACK_MIB = 64;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static Target target;
  private static UnitPair pair;

  private final Ledger ledger = Ledger.answering();

  @BeforeAll
  static void startPair() throws IOException {
    target = SHARED.keep(Target.start(Ledger.answering()));
    pair = UnitPair.start(SHARED, target.port());
    pair.warmUp();
  }

  @BeforeEach
  void answer() {
    target.become(ledger);
  }

  @AfterEach
  void targetSawNothingWrong() {
    ledger.check();
    assertThat(ledger.silent()).isZero();
  }

  private static void assertNothingIsLeftOf(String what) {
    pair.assertBackAtRest(what, RESIDENT_SLACK_MIB);
  }

  // ---- a gibibyte

  /** A session, in the hands of the test at both ends. */
  private record Ends(TcpEnd user, TcpEnd target) {}

  private Ends session() {
    target.becomeManual();
    int millis = (int) LONG.toMillis();
    TcpEnd user = harness.keep(TcpEnd.connect(pair.address())).timeout(millis).send("u");
    TcpEnd atTarget = harness.keep(target.next()).timeout(millis);
    atTarget.receive(1);
    return new Ends(user, atTarget);
  }

  private static Async<Bulk.Sum> send(TcpEnd from, long seed, AtomicLong sent) {
    return Async.run(
        () -> {
          Bulk.Sum sum = Bulk.write(from.out(), seed, GIB, sent);
          from.finish();
          return sum;
        });
  }

  private static Async<Bulk.Sum> receive(TcpEnd at) {
    return Async.run(() -> Bulk.read(at.in()));
  }

  @Test
  void gibibyteEachWayAtOnce() {
    Ends ends = session();
    Stopwatch watch = pair.stopwatch();
    Async<Bulk.Sum> userSends = send(ends.user(), 1, new AtomicLong());
    Async<Bulk.Sum> targetSends = send(ends.target(), 2, new AtomicLong());
    Async<Bulk.Sum> targetReceives = receive(ends.target());
    Async<Bulk.Sum> userReceives = receive(ends.user());
    assertThat(targetReceives.get(LONG)).isEqualTo(userSends.get(LONG));
    assertThat(userReceives.get(LONG)).isEqualTo(targetSends.get(LONG));
    Measured.say(
        "1 GiB each way at once", "%.0f MB/s each way, %s", GIB / 1e6 / watch.seconds(), watch);
    assertNothingIsLeftOf("1 GiB each way at once");
  }

  /** A user in one session, the target in another. */
  @Test
  void gibibyteWaitsForAReaderThatStops() throws Exception {
    Ends down = session();
    Ends up = session();
    target.become(ledger);
    AtomicLong sentByTarget = new AtomicLong();
    AtomicLong sentByUser = new AtomicLong();
    Async<Bulk.Sum> targetSends = send(down.target(), 3, sentByTarget);
    Async<Bulk.Sum> userSends = send(up.user(), 4, sentByUser);
    Stopwatch stopped = pair.stopwatch();
    for (int session = 0; stopped.seconds() < 30; session++) {
      pair.shortSession(session, 10_000);
      TimeUnit.SECONDS.sleep(1);
    }
    long taken = sentByTarget.get() + sentByUser.get();
    Measured.say(
        "2 readers stopped, 1 GiB waiting for each", "%d kB taken, %s", taken / 1000, stopped);
    Stopwatch watch = pair.stopwatch();
    Async<Bulk.Sum> userReceives = receive(down.user());
    Async<Bulk.Sum> targetReceives = receive(up.target());
    assertThat(userReceives.get(LONG)).isEqualTo(targetSends.get(LONG));
    assertThat(targetReceives.get(LONG)).isEqualTo(userSends.get(LONG));
    Measured.say("2 readers that stopped read 1 GiB each", "%s", watch);
    assertThat(taken).as("bytes taken from those who send").isLessThan(GIB / 16);
    down.user().finish();
    up.target().finish();
    assertNothingIsLeftOf("readers that stopped");
  }

  // ---- thousands of sessions

  @Test
  void thousandSessionsAtOnce() throws IOException {
    int count = 1_000;
    int rounds = 4;
    int piece = 16 * 1024;
    Stopwatch watch = pair.stopwatch();
    List<TalkingUser> users = new ArrayList<>();
    for (int session = 0; session < count; session++) {
      users.add(harness.keep(TalkingUser.connect(pair.address(), session)));
    }
    for (int round = 0; round < rounds; round++) {
      for (TalkingUser user : users) {
        user.send(piece + user.session());
      }
      for (TalkingUser user : users) {
        user.receive(piece + user.session());
      }
    }
    pair.awaitSessions(count);
    Measured.say("1000 sessions, all open", "%s", watch);
    for (TalkingUser user : users) {
      user.finish();
    }
    Measured.say("1000 sessions at once", "%s", watch);
    assertNothingIsLeftOf("1000 sessions at once");
    assertThat(ledger.seen())
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count)
                .mapToObj(
                    session -> new Ledger.Seen(session, rounds * (piece + session), Ending.FIN))
                .collect(Collectors.toList()));
  }

  @Test
  void tenThousandShortSessions() {
    int count = 10_000;
    int workers = 8;
    Stopwatch watch = pair.stopwatch();
    List<Async<Void>> work =
        IntStream.range(0, workers)
            .mapToObj(worker -> Async.run(() -> shortSessions(worker, workers, count)))
            .collect(Collectors.toList());
    work.forEach(worker -> worker.get(LONG));
    Measured.say("10000 short sessions", "%.0f a second, %s", count / watch.seconds(), watch);
    assertNothingIsLeftOf("10000 short sessions");
    assertThat(ledger.seen())
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count)
                .mapToObj(session -> new Ledger.Seen(session, length(session), Ending.FIN))
                .collect(Collectors.toList()));
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
  void thousandStalledReadersLeaveTheOthersTheirSpeed() throws Exception {
    int count = 1_000;
    Flow flow = new Flow(harness.keep(TalkingUser.connect(pair.address(), count)));
    double before = flow.measure();

    StalledReaders stalled = new StalledReaders();
    target.become(stalled);
    Stopwatch watch = pair.stopwatch();
    stalled.open(harness, pair.address(), count);
    stalled.awaitStalled();
    double during = flow.measure();
    Measured.say(
        "beside 1000 stalled readers",
        "%.0f MB/s before, %.0f MB/s during, ratio %.2f, %s",
        before / 1e6,
        during / 1e6,
        during / before,
        watch);
    pair.assertHold(count * 8 * 1024L);

    target.become(ledger);
    pair.shortSession(count + 1, 10_000);
    stalled.readAgain();
    flow.close();
    assertNothingIsLeftOf("1000 stalled readers");
    assertThat(during / before).as("speed beside stalled readers").isGreaterThan(0.5);
  }
}
