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
 * Sessions with a stalled reader and an active writer. The user does not read in even sessions, the
 * target in odd ones. Both ends have small buffers, so the bytes are buffered in relay and agent.
 */
final class StalledReaders implements Behaviour {

  /** Bytes exchanged before the reader stalls, so that the session is established at both ends. */
  private static final int INITIAL_BYTES = 8;

  /** Bytes that the writer sends: more than relay and agent buffer of one session. */
  private static final int STALLED_BYTES = 512 * 1024;

  /**
   * Sent slowly: after a burst, the kernel's buffer auto-tuning would allow megabytes per socket,
   * which exceeds tcp_mem with a thousand sessions.
   */
  private static final int CHUNK = 8 * 1024;

  private static final int PAUSE_MILLIS = 20;

  private static final Duration WRITE_TIMEOUT = Duration.ofSeconds(60);

  private final List<TalkingUser> users = new ArrayList<>();
  private final List<Async<Void>> userWriters = new ArrayList<>();
  private final CountDownLatch resumed = new CountDownLatch(1);
  private final AtomicLong written = new AtomicLong();
  private final AtomicInteger completedAtTarget = new AtomicInteger();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();

  void open(Harness harness, InetSocketAddress relay, int count) throws IOException {
    for (int session = 0; session < count; session++) {
      TalkingUser user = harness.keep(TalkingUser.connect(relay, session)).withSmallBuffers();
      users.add(user);
      user.send(INITIAL_BYTES);
      user.receive(INITIAL_BYTES);
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
      Sequence fromUser = Sequence.toTarget(target.withSmallBuffers().in());
      Sequence toUser = Sequence.toUser(fromUser.session());
      toUser.write(target.out(), INITIAL_BYTES);
      boolean stalls = targetStalls(fromUser.session());
      if (stalls) {
        resumed.await();
      } else {
        write(length -> toUser.write(target.out(), length));
        target.socket().shutdownOutput();
      }
      fromUser.readToFin(target.in(), n -> {});
      assertThat(fromUser.position())
          .as("%s", fromUser)
          .isEqualTo(INITIAL_BYTES + (stalls ? STALLED_BYTES : 0));
      completedAtTarget.incrementAndGet();
    } catch (IOException | InterruptedException | AssertionError e) {
      failures.add(e);
    }
  }

  private void write(Writer writer) throws IOException, InterruptedException {
    for (int done = 0; done < STALLED_BYTES; done += CHUNK) {
      writer.write(CHUNK);
      written.addAndGet(CHUNK);
      Thread.sleep(PAUSE_MILLIS);
    }
  }

  private interface Writer {
    void write(int length) throws IOException;
  }

  /** Waits until no writer makes progress. */
  void awaitStalled() throws InterruptedException {
    for (long before = -1; written.get() != before; Thread.sleep(1_000)) {
      before = written.get();
    }
  }

  /** Resumes all readers; fails unless all bytes arrive and both ends close. */
  void resume() throws IOException {
    resumed.countDown();
    for (TalkingUser user : users) {
      boolean stalled = !targetStalls(user.session());
      if (stalled) {
        user.sendFin();
      }
      user.receiveToFin();
      assertThat(user.received())
          .as("%s", user)
          .isEqualTo(INITIAL_BYTES + (stalled ? STALLED_BYTES : 0));
    }
    userWriters.forEach(writer -> writer.get(WRITE_TIMEOUT));
    assertThat(failures).isEmpty();
    assertThat(completedAtTarget).hasValue(users.size());
  }
}
