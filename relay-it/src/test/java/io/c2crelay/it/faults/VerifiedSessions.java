package io.c2crelay.it.faults;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.net.SocketException;
import java.time.Duration;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;

/**
 * Sessions that are verified at both ends. Each direction is a {@link Sequence}, so every byte is
 * checked. A session must end with a FIN after all bytes that the other end sent, or with a reset.
 * An instance is the target's behaviour; it also creates the users.
 */
final class VerifiedSessions implements Behaviour {

  private static final int INITIAL_BYTES = 3_000;
  private static final int CHUNK = 4 * 1024;
  private static final int PAUSE_MILLIS = 5;
  private static final int TIMEOUT_MILLIS = 60_000;

  /** What a session does until {@link User#stop}. */
  enum Scenario {
    /** Some bytes each way, then the user's FIN, then the target's, without waiting for stop. */
    SHORT,
    /** Some bytes each way, then silence. */
    IDLE,
    /** Continuous bytes both ways. */
    BULK,
    /** Some bytes and the user's FIN; then continuous bytes from the target. */
    HALF_CLOSED;

    static Scenario of(int session) {
      return values()[session % values().length];
    }
  }

  /** What the target sent and received in one session. */
  private static final class TargetRecord {
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile Ending ending = Ending.RESET;
    private volatile boolean finSent;
    private volatile long sent;
    private volatile long received;

    @Override
    public String toString() {
      return String.format(
          "target received %d and %s, sent %d%s",
          received, ending, sent, finSent ? " and FIN" : "");
    }
  }

  /** For a session that did not reach the target. */
  private static final TargetRecord NOT_CONNECTED = new TargetRecord();

  static {
    NOT_CONNECTED.closed.countDown();
  }

  private final AtomicInteger lastNumber = new AtomicInteger();
  private final Map<Integer, User> users = new ConcurrentHashMap<>();
  private final Map<Integer, TargetRecord> records = new ConcurrentHashMap<>();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();

  /** Connects a new user, which starts sending at once. */
  User connect(Scenario scenario, int port) {
    int session = lastNumber.incrementAndGet() * Scenario.values().length + scenario.ordinal();
    return new User(TcpEnd.connect(port).timeout(TIMEOUT_MILLIS), session);
  }

  // ---- the target

  @Override
  public void serve(TcpEnd connection) {
    try (connection) {
      Sequence fromUser;
      try {
        fromUser = Sequence.toTarget(connection.in());
      } catch (SocketException reset) {
        return; // before the session is known
      }
      TargetRecord atTarget = new TargetRecord();
      if (records.putIfAbsent(fromUser.session(), atTarget) != null) {
        throw new AssertionError("a second connection of " + fromUser);
      }
      exchange(atTarget, fromUser, connection);
    } catch (IOException | AssertionError e) {
      failures.add(new AssertionError("at the target: " + e, e));
    }
  }

  private void exchange(TargetRecord atTarget, Sequence fromUser, TcpEnd connection)
      throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    User user = users.get(fromUser.session());
    try {
      toUser.write(connection.out(), fromUser.position());
      byte[] chunk = new byte[CHUNK];
      for (int n = connection.in().read(chunk); n >= 0; n = connection.in().read(chunk)) {
        fromUser.verify(chunk, 0, n);
        toUser.write(connection.out(), n);
      }
      atTarget.ending = Ending.FIN;
      while (user.scenario == Scenario.HALF_CLOSED && !user.pauseUnlessStopped()) {
        toUser.write(connection.out(), CHUNK);
      }
      atTarget.sent = toUser.position();
      connection.socket().shutdownOutput();
      atTarget.finSent = true;
    } catch (SocketException reset) {
      // the record already describes a reset
    } finally {
      atTarget.received = fromUser.position();
      atTarget.closed.countDown();
    }
  }

  /**
   * Fails unless, within the timeout, each connection of the target ended with a FIN after all
   * bytes of its user or with a reset.
   */
  void verifyTarget(Duration timeout) {
    records.forEach(
        (session, atTarget) -> {
          User user = users.get(session);
          user.awaitClosed(atTarget, timeout);
          if (atTarget.ending == Ending.FIN
              && !(user.sending.get(timeout) && atTarget.received == user.toTarget.position())) {
            throw user.bytesMissing(atTarget);
          }
        });
    for (Throwable failure : failures) {
      throw new AssertionError(
          failures.size() + " failures, the first " + failure.getMessage(), failure);
    }
  }

  // ---- users

  final class User {
    private final TcpEnd end;
    private final Scenario scenario;
    private final Sequence toTarget;
    private final Sequence toUser;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private final Async<Boolean> sending;
    private final Async<Ending> receiving;
    private volatile long received;

    private User(TcpEnd end, int session) {
      this.end = end;
      this.scenario = Scenario.of(session);
      this.toTarget = Sequence.toTarget(session);
      this.toUser = Sequence.toUser(session);
      users.put(session, this);
      sending = Async.run(this::send);
      receiving = Async.run(this::receive);
    }

    private Ending receive() throws IOException {
      byte[] chunk = new byte[CHUNK];
      try {
        for (int n = end.in().read(chunk); n >= 0; n = end.in().read(chunk)) {
          toUser.verify(chunk, 0, n);
          received = toUser.position();
        }
        return Ending.FIN;
      } catch (SocketException reset) {
        return Ending.RESET;
      }
    }

    /** Returns whether all bytes and the FIN were sent. */
    private boolean send() {
      try {
        toTarget.write(end.out(), INITIAL_BYTES);
        while (scenario == Scenario.BULK && !pauseUnlessStopped()) {
          toTarget.write(end.out(), CHUNK);
        }
        if (scenario == Scenario.IDLE) {
          stopped.await();
        }
        end.socket().shutdownOutput();
        return true;
      } catch (IOException | InterruptedException reset) {
        return false;
      }
    }

    private boolean pauseUnlessStopped() {
      try {
        return stopped.await(PAUSE_MILLIS, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    /** Makes both ends finish with FIN, unless the session has ended already. */
    User stop() {
      stopped.countDown();
      return this;
    }

    /** Fails unless more bytes arrive from the target within the timeout. */
    void awaitProgress(Duration timeout) {
      long before = received;
      Awaitility.await(this + ": more").atMost(timeout).until(() -> received > before + CHUNK);
    }

    /** Waits for the end of the session without stopping it first. */
    Ending awaitEnd(Duration timeout) {
      Ending ending = receiving.get(timeout);
      stop();
      return ending;
    }

    /** Stops the user; fails unless the session ends with FIN and all bytes arrive. */
    void finish(Duration timeout) {
      Ending ending = stop().awaitVerifiedEnd(timeout);
      if (ending != Ending.FIN) {
        throw new AssertionError(this + " was reset");
      }
    }

    /**
     * Fails unless, within the timeout, the session ends with the target's FIN after all of its
     * bytes or with a reset.
     */
    Ending awaitVerifiedEnd(Duration timeout) {
      Ending ending = receiving.get(timeout);
      // the kernel reports a reset once: to the writer, after which the reader sees end of stream
      if (!sending.get(timeout)) {
        ending = Ending.RESET;
      }
      end.close();
      if (ending == Ending.FIN) {
        TargetRecord atTarget = records.getOrDefault(toTarget.session(), NOT_CONNECTED);
        awaitClosed(atTarget, timeout);
        if (!atTarget.finSent || atTarget.sent != received) {
          throw bytesMissing(atTarget);
        }
      }
      return ending;
    }

    private void awaitClosed(TargetRecord atTarget, Duration timeout) {
      try {
        if (!atTarget.closed.await(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
          throw new AssertionError(this + " still open at the target");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted", e);
      }
    }

    private AssertionError bytesMissing(TargetRecord atTarget) {
      return new AssertionError("FIN, but bytes are missing: " + this + "; " + atTarget);
    }

    @Override
    public String toString() {
      return scenario + " user of " + toTarget + ", " + toUser;
    }
  }
}
