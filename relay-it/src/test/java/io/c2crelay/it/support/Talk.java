package io.c2crelay.it.support;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.SocketException;
import java.time.Duration;

/**
 * A user who talks to a {@link Ledger} all the time, both ways at once, and checks every byte that
 * comes back.
 */
public final class Talk {

  private static final int PIECE = 1_024;
  private static final int PAUSE_MILLIS = 5;

  private final TcpEnd user;
  private final Sequence toTarget;
  private final Sequence toUser;
  private final Async<Boolean> sending;
  private final Async<Ending> receiving;
  private volatile long received;
  private volatile long longestSilenceNanos;
  private volatile boolean stopped;

  private Talk(TcpEnd user, int session) {
    this.user = user.timeout((int) Duration.ofMinutes(3).toMillis());
    this.toTarget = Sequence.toTarget(session);
    this.toUser = Sequence.toUser(session);
    this.sending = Async.run(this::send);
    this.receiving = Async.run(this::receive);
  }

  public static Talk begin(TcpEnd user, int session) {
    return new Talk(user, session);
  }

  /** Returns whether all was sent that was meant to be. */
  private boolean send() throws InterruptedException {
    try {
      while (!stopped) {
        toTarget.write(user.out(), PIECE);
        Thread.sleep(PAUSE_MILLIS);
      }
      user.socket().shutdownOutput();
      return true;
    } catch (IOException cutOff) {
      return false;
    }
  }

  private Ending receive() throws IOException {
    byte[] buffer = new byte[16 * 1024];
    long heard = System.nanoTime();
    while (true) {
      int n;
      try {
        n = user.in().read(buffer);
      } catch (SocketException e) {
        return Ending.RESET;
      }
      if (n < 0) {
        return Ending.FIN;
      }
      toUser.verify(buffer, 0, n);
      received = toUser.position();
      longestSilenceNanos = Math.max(longestSilenceNanos, System.nanoTime() - heard);
      heard = System.nanoTime();
    }
  }

  /** Waits until more comes back; fails if it does not in this time. */
  public Talk awaitMore(Duration timeout) {
    long before = received;
    await(toUser + ": more").atMost(timeout).until(() -> received > before + PIECE);
    return this;
  }

  /** The longest time so far in which nothing came back. */
  public Duration longestSilence() {
    return Duration.ofNanos(longestSilenceNanos);
  }

  /** Says no more, and fails unless all that it said was answered and the end is in order. */
  public void finish(Duration timeout) {
    stopped = true;
    boolean allSent = sending.get(timeout);
    Ending end = receiving.get(timeout);
    if (!allSent || end != Ending.FIN || received != toTarget.position()) {
      throw new AssertionError(toUser + " of " + toTarget.position() + " and then " + end);
    }
  }

  /** How it ended, while it was still talking; fails if it does not in this time. */
  public Ending awaitEnd(Duration timeout) {
    Ending end = receiving.get(timeout);
    // who sends learns of a reset first, and after that the kernel tells the reader of an end only
    return sending.get(timeout) ? end : Ending.RESET;
  }
}
