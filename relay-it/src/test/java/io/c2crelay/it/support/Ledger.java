package io.c2crelay.it.support;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.PushbackInputStream;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A target for users whose bytes are {@link Sequence}s, such as a {@link Talk}'s: sends a byte of
 * the session's for each that it gets, FIN after FIN, and keeps account: whose connections it had,
 * how each ended, and what was wrong.
 */
public final class Ledger implements Behaviour {

  private final boolean greets;
  private final Map<Integer, AtomicInteger> connections = new ConcurrentHashMap<>();
  private final Map<Integer, Ending> endings = new ConcurrentHashMap<>();
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
    try (connection) {
      account(connection);
    } catch (IOException | AssertionError e) {
      faults.add(e);
    }
  }

  private void account(TcpEnd connection) throws IOException {
    PushbackInputStream in = new PushbackInputStream(connection.in());
    Sequence fromUser;
    try {
      if (greets) {
        connection.out().write(HELLO.getBytes(StandardCharsets.US_ASCII));
      }
      int first = in.read();
      if (first < 0) {
        silent.incrementAndGet();
        return;
      }
      in.unread(first);
      fromUser = Sequence.toTarget(in);
    } catch (SocketException reset) {
      silent.incrementAndGet();
      return;
    }
    connections.computeIfAbsent(fromUser.session(), s -> new AtomicInteger()).incrementAndGet();
    endings.put(fromUser.session(), answer(fromUser, connection));
  }

  private static Ending answer(Sequence fromUser, TcpEnd connection) throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    byte[] buffer = new byte[16 * 1024];
    try {
      toUser.write(connection.out(), fromUser.position());
      for (int n = connection.in().read(buffer); n >= 0; n = connection.in().read(buffer)) {
        fromUser.verify(buffer, 0, n);
        toUser.write(connection.out(), n);
      }
      connection.finish();
      return Ending.FIN;
    } catch (SocketException reset) {
      return Ending.RESET;
    }
  }

  /** How a session ended here; fails if it does not in this time. */
  public Ending awaitEnd(int session, Duration timeout) {
    await("session " + session + " ends at the target")
        .atMost(timeout)
        .until(() -> endings.containsKey(session));
    return endings.get(session);
  }

  /** Whether it had a connection of this session. */
  public boolean knows(int session) {
    return connections.containsKey(session);
  }

  /** Connections that ended before they said whose they are. */
  public int silent() {
    return silent.get();
  }

  /** Fails if a byte was not where it belongs, or a session came twice. */
  public void check() {
    assertThat(faults).as("what does not belong at the target").isEmpty();
    connections.forEach(
        (session, count) -> assertThat(count).as("session %d", session).hasValue(1));
  }
}
