package io.c2crelay.it.support;

import java.io.IOException;
import java.net.SocketException;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A target that answers each byte of a user's {@link Sequence} with one of its own to that user,
 * and FIN with FIN. Keeps what it saw.
 */
public final class Answering implements Behaviour {

  private final Queue<Seen> seen = new ConcurrentLinkedQueue<>();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();

  /** A session that ended: so many bytes came, all of them right. */
  public record Seen(int session, long bytes, Ending ending) {}

  @Override
  public void serve(TcpEnd connection) {
    Sequence fromUser = null;
    try (connection) {
      fromUser = Sequence.toTarget(connection.in());
      Ending ending = answer(connection, fromUser);
      seen.add(new Seen(fromUser.session(), fromUser.position(), ending));
    } catch (IOException | AssertionError e) {
      failures.add(new AssertionError("at the target: " + fromUser + ": " + e, e));
    }
  }

  private static Ending answer(TcpEnd connection, Sequence fromUser) throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    try {
      toUser.write(connection.out(), fromUser.position());
      fromUser.readToFin(connection.in(), n -> toUser.write(connection.out(), n));
      connection.socket().shutdownOutput();
      return Ending.FIN;
    } catch (SocketException e) {
      return Ending.RESET;
    }
  }

  /** In the order in which they ended. */
  public Queue<Seen> seen() {
    return seen;
  }

  /** Wrong bytes, and sessions that ended otherwise than by FIN or reset. */
  public Queue<Throwable> failures() {
    return failures;
  }
}
