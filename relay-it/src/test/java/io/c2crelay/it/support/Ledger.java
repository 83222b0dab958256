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
 * A target for users whose bytes are {@link Sequence}s, such as a {@link Talk}'s: sends a byte of
 * the session's for each that it gets, FIN after FIN, and keeps account: whose connections it had,
 * how each ended, and what was wrong.
 */
public final class Ledger implements Behaviour {

  /** A session that ended: so many bytes came, all of them right. */
  public record Seen(int session, long bytes, Ending ending) {}

  private final boolean greets;
  private final Set<Integer> begun = ConcurrentHashMap.newKeySet();
  private final Map<Integer, Seen> seen = new ConcurrentHashMap<>();
  private final AtomicInteger silent = new AtomicInteger();
  private final Queue<Throwable> faults = new ConcurrentLinkedQueue<>();

  private Ledger(boolean greets) {
    this.greets = greets;
  }

  /** Speaks second. */
  public static Ledger answering() {
    return new Ledger(false);
  }

  /** Says {@link Behaviour#HELLO} first. */
  public static Ledger greeting() {
    return new Ledger(true);
  }

  @Override
  public void serve(TcpEnd connection) {
    Sequence fromUser = null;
    try (connection) {
      fromUser = begin(connection);
      if (fromUser == null) {
        silent.incrementAndGet();
        return;
      }
      int session = fromUser.session();
      if (!begun.add(session)) {
        throw new AssertionError("a second connection");
      }
      Ending ending = answer(fromUser, connection);
      seen.put(session, new Seen(session, fromUser.position(), ending));
    } catch (IOException | AssertionError e) {
      faults.add(new AssertionError("at the target: " + fromUser + ": " + e, e));
    }
  }

  /** Whose it is; null if it ends before it says so. */
  private Sequence begin(TcpEnd connection) throws IOException {
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

  /** How a session ended here; fails if it does not in this time. */
  public Ending awaitEnd(int session, Duration timeout) {
    await("session " + session + " ends at the target")
        .atMost(timeout)
        .until(() -> seen.containsKey(session));
    return seen.get(session).ending();
  }

  /** All that ended. */
  public Collection<Seen> seen() {
    return seen.values();
  }

  /** Connections that ended before they said whose they are. */
  public int silent() {
    return silent.get();
  }

  /** Fails if a byte was not where it belongs, or a session came twice. */
  public void check() {
    assertThat(faults).as("what does not belong at the target").isEmpty();
  }
}
