package io.c2crelay.it.support;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.SocketException;
import java.time.Duration;

/**
 * A user that exchanges bytes with a {@link SequenceEchoTarget} in both directions until stopped,
 * and verifies every byte received.
 */
public final class VerifiedConversation {

  private static final int CHUNK = 1_024;
  private static final int PAUSE_MILLIS = 5;

  private final TcpEnd user;
  private final Sequence toTarget;
  private final Sequence toUser;
  private final Async<Boolean> sending;
  private final Async<Ending> receiving;
  private volatile long received;
  private volatile long maxReadGapNanos;
  private volatile boolean stopped;

  private VerifiedConversation(TcpEnd user, int session) {
    this.user = user.timeout((int) Duration.ofMinutes(3).toMillis());
    this.toTarget = Sequence.toTarget(session);
    this.toUser = Sequence.toUser(session);
    this.sending = Async.run(this::send);
    this.receiving = Async.run(this::receive);
  }

  /** Returns when bytes have come back; fails after 10 s. */
  public static VerifiedConversation begin(TcpEnd user, int session) {
    return new VerifiedConversation(user, session).awaitProgress(Duration.ofSeconds(10));
  }

  /** Returns whether sending ended with FIN, not with an error. */
  private boolean send() throws InterruptedException {
    try {
      while (!stopped) {
        toTarget.write(user.out(), CHUNK);
        Thread.sleep(PAUSE_MILLIS);
      }
      user.socket().shutdownOutput();
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private Ending receive() throws IOException {
    byte[] buffer = new byte[16 * 1024];
    long lastRead = System.nanoTime();
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
      maxReadGapNanos = Math.max(maxReadGapNanos, System.nanoTime() - lastRead);
      lastRead = System.nanoTime();
    }
  }

  /** Waits for more than {@code CHUNK} further bytes; fails at the timeout. */
  public VerifiedConversation awaitProgress(Duration timeout) {
    long before = received;
    await(toUser + ": more bytes").atMost(timeout).until(() -> received > before + CHUNK);
    return this;
  }

  /** The longest interval between two reads so far. */
  public Duration maxReadGap() {
    return Duration.ofNanos(maxReadGapNanos);
  }

  /** Sends FIN; fails unless every byte was answered and the connection ends with FIN. */
  public void finish(Duration timeout) {
    stopped = true;
    boolean allSent = sending.get(timeout);
    Ending end = receiving.get(timeout);
    if (!allSent || end != Ending.FIN || received != toTarget.position()) {
      throw new AssertionError(toUser + " of " + toTarget.position() + " and then " + end);
    }
  }

  /** How the connection ended while still sending; fails if it does not end within the timeout. */
  public Ending awaitEnd(Duration timeout) {
    Ending end = receiving.get(timeout);
    // a failed write consumes the error: the reader then gets end of stream, not a reset
    return sending.get(timeout) ? end : Ending.RESET;
  }
}
