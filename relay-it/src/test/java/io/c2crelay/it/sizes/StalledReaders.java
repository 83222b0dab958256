package io.c2crelay.it.sizes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Sessions whose readers stop at once while their writers go on: in even ones the user does not
 * read, in odd ones the target. Both ends hold little, so what waits does so in relay and agent.
 */
final class StalledReaders implements Behaviour {

  /** Passes before the reader stops, so that the session is there from end to end. */
  private static final int FIRST = 8;

  /** Waits for the reader: more than relay and agent will hold of one session. */
  private static final int WAITING = 512 * 1024;

  /**
   * Slowly: from a burst the kernel would learn to hold megabytes for the session, and for all of
   * TCP it has not a thousand times that.
   */
  private static final int PIECE = 8 * 1024;

  private static final int PAUSE_MILLIS = 20;

  private static final Duration END = Duration.ofSeconds(60);

  private final List<TalkingUser> users = new ArrayList<>();
  private final List<Async<Void>> userWriters = new ArrayList<>();
  private final CountDownLatch readAgain = new CountDownLatch(1);
  private final AtomicLong written = new AtomicLong();
  private final AtomicInteger doneAtTarget = new AtomicInteger();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();

  void open(Harness harness, InetSocketAddress relay, int count) throws IOException {
    for (int session = 0; session < count; session++) {
      TalkingUser user = harness.keep(TalkingUser.connect(relay, session)).small();
      users.add(user);
      user.send(FIRST);
      user.receive(FIRST);
      if (targetStalls(session)) {
        userWriters.add(
            Async.run(
                () -> {
                  write(user::send);
                  user.sendFin();
                  return null;
                }));
      }
    }
  }

  private static boolean targetStalls(int session) {
    return session % 2 == 1;
  }

  @Override
  public void serve(TcpEnd target) {
    try (target) {
      Sequence fromUser = Sequence.toTarget(target.small().in());
      Sequence toUser = Sequence.toUser(fromUser.session());
      toUser.write(target.out(), FIRST);
      boolean stalls = targetStalls(fromUser.session());
      if (stalls) {
        readAgain.await();
      } else {
        write(length -> toUser.write(target.out(), length));
        target.socket().shutdownOutput();
      }
      fromUser.readToFin(target.in(), n -> {});
      assertThat(fromUser.position()).as("%s", fromUser).isEqualTo(FIRST + (stalls ? WAITING : 0));
      doneAtTarget.incrementAndGet();
    } catch (IOException | InterruptedException | AssertionError e) {
      failures.add(e);
    }
  }

  private void write(Writer writer) throws IOException, InterruptedException {
    for (int done = 0; done < WAITING; done += PIECE) {
      writer.write(PIECE);
      written.addAndGet(PIECE);
      Thread.sleep(PAUSE_MILLIS);
    }
  }

  private interface Writer {
    void write(int length) throws IOException;
  }

  /** Returns when no writer gets rid of anything any more. */
  void awaitStalled() throws InterruptedException {
    for (long before = -1; written.get() != before; Thread.sleep(1_000)) {
      before = written.get();
    }
  }

  /** All that waits arrives, and both ends close. */
  void readAgain() throws IOException {
    readAgain.countDown();
    for (TalkingUser user : users) {
      boolean stalled = !targetStalls(user.session());
      if (stalled) {
        user.sendFin();
      }
      user.receiveToFin();
      assertThat(user.received()).as("%s", user).isEqualTo(FIRST + (stalled ? WAITING : 0));
    }
    userWriters.forEach(writer -> writer.get(END));
    assertThat(failures).isEmpty();
    assertThat(doneAtTarget).hasValue(users.size());
  }
}
