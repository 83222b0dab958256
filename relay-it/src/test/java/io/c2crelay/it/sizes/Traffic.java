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

/** Users and a target that run all {@link SessionScenario}s concurrently until {@link #stop}. */
final class Traffic implements Behaviour {

  /** The concurrent users of each scenario, and the mean pause between their sessions. */
  private static final Map<SessionScenario, Load> LOADS =
      Map.of(
          SessionScenario.SHORT, new Load(2, 200),
          SessionScenario.BULK, new Load(1, 3_000),
          SessionScenario.LONG, new Load(20, 1_000),
          SessionScenario.USER_HALF_CLOSE, new Load(1, 500),
          SessionScenario.TARGET_HALF_CLOSE, new Load(1, 500),
          SessionScenario.USER_ABORTS, new Load(1, 500),
          SessionScenario.TARGET_ABORTS, new Load(1, 500),
          SessionScenario.TARGET_FIRST, new Load(2, 1_000));

  /** A user silent for this time expects the target to send first. */
  private static final int SILENCE_MILLIS = 1_000;

  private static final Duration STOP_TIMEOUT = Duration.ofMinutes(2);
  private static final int TARGET_TIMEOUT_MILLIS = 60_000;
  private static final int MAX_NUMBERS = Sequence.SESSIONS / SessionScenario.values().length;

  private record Load(int users, int pauseMillis) {}

  private final AtomicInteger lastNumber = new AtomicInteger();
  private final AtomicInteger completed = new AtomicInteger();
  private final AtomicInteger resetAtUser = new AtomicInteger();
  private final AtomicInteger resetAtTarget = new AtomicInteger();
  private final AtomicInteger openAtTarget = new AtomicInteger();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
  private final List<Async<Void>> users = new ArrayList<>();
  private CountDownLatch stopped;

  void start(InetSocketAddress relay) {
    CountDownLatch stop = new CountDownLatch(1);
    stopped = stop;
    LOADS.forEach(
        (scenario, load) -> {
          for (int i = 0; i < load.users(); i++) {
            users.add(Async.run(() -> runUser(scenario, load, relay, stop)));
          }
        });
  }

  /** Returns when all users have ended their sessions. */
  void stop() {
    stopped.countDown();
    users.forEach(user -> user.get(STOP_TIMEOUT));
    users.clear();
  }

  private Void runUser(
      SessionScenario scenario, Load load, InetSocketAddress relay, CountDownLatch stop)
      throws InterruptedException {
    while (!stop.await(jittered(load.pauseMillis()), TimeUnit.MILLISECONDS)) {
      int session = scenario.session(lastNumber.incrementAndGet() % MAX_NUMBERS);
      try (TalkingUser user = scenario.connect(relay, session)) {
        scenario.user(user);
        completed.incrementAndGet();
      } catch (SocketException e) {
        resetAtUser.incrementAndGet();
      } catch (IOException | AssertionError e) {
        failures.add(new AssertionError(scenario + " " + session + " at the user: " + e, e));
      }
    }
    return null;
  }

  private static long jittered(int millis) {
    return ThreadLocalRandom.current().nextInt(millis / 2, millis * 3 / 2);
  }

  @Override
  public void serve(TcpEnd target) {
    openAtTarget.incrementAndGet();
    Sequence fromUser = null;
    try (target) {
      fromUser = begin(target.timeout(SILENCE_MILLIS));
      target.timeout(TARGET_TIMEOUT_MILLIS);
      SessionScenario.of(fromUser.session()).target(target, fromUser);
    } catch (SocketException e) {
      resetAtTarget.incrementAndGet();
    } catch (IOException | AssertionError e) {
      failures.add(new AssertionError(fromUser + " at the target: " + e, e));
    } finally {
      openAtTarget.decrementAndGet();
    }
  }

  private Sequence begin(TcpEnd target) throws IOException {
    try {
      return Sequence.toTarget(target.in());
    } catch (SocketTimeoutException silent) {
      return Sequence.toTarget(
          SessionScenario.TARGET_FIRST.session(lastNumber.incrementAndGet() % MAX_NUMBERS));
    }
  }

  /** Wrong bytes, wrong endings and timeouts, at both ends. */
  Queue<Throwable> failures() {
    return failures;
  }

  /** Sessions that ended as expected at the user. */
  int completed() {
    return completed.get();
  }

  int resetAtUser() {
    return resetAtUser.get();
  }

  int resetAtTarget() {
    return resetAtTarget.get();
  }

  /** Sessions that are open at the target. */
  int openAtTarget() {
    return openAtTarget.get();
  }
}
