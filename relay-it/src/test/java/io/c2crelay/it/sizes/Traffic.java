package io.c2crelay.it.sizes;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Users and a target of all {@link Kind}s, a few at a time, until told to stop. */
final class Traffic implements Behaviour {

  /** How many users there are of each kind, and how long each waits between sessions. */
  private static final Map<Kind, Load> LOADS =
      Map.of(
          Kind.SHORT, new Load(2, 200),
          Kind.BULK, new Load(1, 3_000),
          Kind.LONG, new Load(20, 1_000),
          Kind.HALF_CLOSE, new Load(1, 500),
          Kind.TARGET_DONE_FIRST, new Load(1, 500),
          Kind.USER_ABORTS, new Load(1, 500),
          Kind.TARGET_ABORTS, new Load(1, 500),
          Kind.SILENT, new Load(2, 1_000));

  /** After this a target takes its user for one who waits for it to speak. */
  private static final int SILENCE_MILLIS = 1_000;

  private static final Duration STOP = Duration.ofMinutes(2);
  private static final int TARGET_TIMEOUT_MILLIS = 60_000;
  private static final int NUMBERS = Sequence.SESSIONS / Kind.values().length;

  private record Load(int users, int pauseMillis) {}

  private final AtomicInteger numbers = new AtomicInteger();
  private final AtomicInteger done = new AtomicInteger();
  private final AtomicInteger resetAtUser = new AtomicInteger();
  private final AtomicInteger resetAtTarget = new AtomicInteger();
  private final AtomicInteger atTarget = new AtomicInteger();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
  private final List<Async<Void>> users = new ArrayList<>();
  private CountDownLatch stopped;

  /** Users come from now on. */
  void start(InetSocketAddress relay) {
    CountDownLatch stop = new CountDownLatch(1);
    stopped = stop;
    LOADS.forEach(
        (kind, load) -> {
          for (int i = 0; i < load.users(); i++) {
            users.add(Async.run(() -> use(kind, load, relay, stop)));
          }
        });
  }

  /** Returns when all sessions have ended. */
  void stop() {
    stopped.countDown();
    users.forEach(user -> user.get(STOP));
    users.clear();
  }

  private Void use(Kind kind, Load load, InetSocketAddress relay, CountDownLatch stop)
      throws InterruptedException {
    while (!stop.await(jittered(load.pauseMillis()), TimeUnit.MILLISECONDS)) {
      int session = kind.session(numbers.incrementAndGet() % NUMBERS);
      try (TalkingUser user = kind.connect(relay, session)) {
        kind.user(user);
        done.incrementAndGet();
      } catch (SocketException e) {
        resetAtUser.incrementAndGet();
      } catch (IOException | AssertionError e) {
        failures.add(new AssertionError(kind + " " + session + " at the user: " + e, e));
      }
    }
    return null;
  }

  private static long jittered(int millis) {
    return ThreadLocalRandom.current().nextInt(millis / 2, millis * 3 / 2);
  }

  @Override
  public void serve(TcpEnd target) {
    atTarget.incrementAndGet();
    Sequence fromUser = null;
    try (target) {
      fromUser = begin(target.timeout(SILENCE_MILLIS));
      target.timeout(TARGET_TIMEOUT_MILLIS);
      Kind.of(fromUser.session()).target(target, fromUser);
    } catch (SocketException e) {
      resetAtTarget.incrementAndGet();
    } catch (IOException | AssertionError e) {
      failures.add(new AssertionError(fromUser + " at the target: " + e, e));
    } finally {
      atTarget.decrementAndGet();
    }
  }

  private Sequence begin(TcpEnd target) throws IOException {
    try {
      return Sequence.toTarget(target.in());
    } catch (SocketTimeoutException silent) {
      return Sequence.toTarget(Kind.SILENT.session(numbers.incrementAndGet() % NUMBERS));
    }
  }

  /** Wrong bytes, wrong endings, waiting in vain: at either end. */
  Queue<Throwable> failures() {
    return failures;
  }

  /** Sessions that went as their kind has it, at the user. */
  int done() {
    return done.get();
  }

  int resetAtUser() {
    return resetAtUser.get();
  }

  int resetAtTarget() {
    return resetAtTarget.get();
  }

  /** Sessions that the target has not yet done with. */
  int atTarget() {
    return atTarget.get();
  }
}
