package io.c2crelay.it.support;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.PushbackInputStream;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A target for users that send {@link Sequence}s, such as {@link VerifiedConversation}. It answers
 * each byte with the next byte of the same session, and FIN with FIN. It records the sessions, how
 * each ended, and all errors.
 */
public final class SequenceEchoTarget implements Behaviour {

  /** A session that ended, with the number of bytes received and verified. */
  public record Seen(int session, long bytes, Ending ending) {}

  private final boolean greets;
  private final Set<Integer> started = ConcurrentHashMap.newKeySet();
  private final Map<Integer, Seen> seen = new ConcurrentHashMap<>();
  private final AtomicInteger withoutData = new AtomicInteger();
  private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();

  private SequenceEchoTarget(boolean greets) {
    this.greets = greets;
  }

  /** Waits for the user to send first. */
  public static SequenceEchoTarget answering() {
    return new SequenceEchoTarget(false);
  }

  /** Sends {@link Behaviour#HELLO} first. */
  public static SequenceEchoTarget greeting() {
    return new SequenceEchoTarget(true);
  }

  @Override
  public void serve(TcpEnd connection) {
    Sequence fromUser = null;
    try (connection) {
      fromUser = identify(connection);
      if (fromUser == null) {
        withoutData.incrementAndGet();
        return;
      }
      int session = fromUser.session();
      if (!started.add(session)) {
        throw new AssertionError("second connection of a session");
      }
      Ending ending = answer(fromUser, connection);
      seen.put(session, new Seen(session, fromUser.position(), ending));
    } catch (IOException | AssertionError e) {
      errors.add(new AssertionError("at the target: " + fromUser + ": " + e, e));
    }
  }

  /** Returns null if the connection ends before it identifies its session. */
  private Sequence identify(TcpEnd connection) throws IOException {
    PushbackInputStream in = new PushbackInputStream(connection.in());
    try {
      if (greets) {
        connection.out().write(HELLO.getBytes(StandardCharsets.US_ASCII));
      }
      int first = in.read();
      if (first < 0) {
        return null;
      }
      in.unread(first);
      return Sequence.toTarget(in);
    } catch (SocketException reset) {
      return null;
    }
  }

  private static Ending answer(Sequence fromUser, TcpEnd connection) throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    try {
      toUser.write(connection.out(), fromUser.position());
      fromUser.readToFin(connection.in(), n -> toUser.write(connection.out(), n));
      connection.socket().shutdownOutput();
      return Ending.FIN;
    } catch (SocketException reset) {
      return Ending.RESET;
    }
  }

  /** How a session ended at the target; fails if it does not end within the timeout. */
  public Ending awaitEnd(int session, Duration timeout) {
    await("session " + session + " ends at the target")
        .atMost(timeout)
        .until(() -> seen.containsKey(session));
    return seen.get(session).ending();
  }

  /** All ended sessions. */
  public Collection<Seen> seen() {
    return seen.values();
  }

  /** The number of connections that ended before they identified their session. */
  public int connectionsWithoutData() {
    return withoutData.get();
  }

  /** Fails if a byte was wrong or a session had a second connection. */
  public void assertNoErrors() {
    assertThat(errors).as("errors at the target").isEmpty();
  }
}
