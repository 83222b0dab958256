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
 * Sessions of which both ends keep account: their bytes are {@link Sequence}s, so that each is seen
 * to be where it belongs, and a FIN counts only if the other end sent one behind exactly as many
 * bytes. A session that ends otherwise must be reset. This is the target; it makes the users, too.
 */
final class Accounts implements Behaviour {

  private static final int FEW = 3_000;
  private static final int PIECE = 4 * 1024;
  private static final int PAUSE_MILLIS = 5;
  private static final int TIMEOUT_MILLIS = 60_000;

  /** What goes on in a session until its user {@link User#stop stops}. */
  enum Kind {
    /** Some bytes each way, then the user's FIN, then the target's, without being told to stop. */
    SHORT,
    /** Some bytes each way, then silence. */
    IDLE,
    /** Bytes both ways all the time. */
    BULK,
    /** Some bytes and the user's FIN; then the target sends all the time. */
    HALF_CLOSED;

    static Kind of(int session) {
      return values()[session % values().length];
    }
  }

  /** The target's end of a session. */
  private static final class Book {
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

  /** Of a session that never came there. */
  private static final Book NONE = new Book();

  static {
    NONE.closed.countDown();
  }

  private final AtomicInteger lastNumber = new AtomicInteger();
  private final Map<Integer, User> users = new ConcurrentHashMap<>();
  private final Map<Integer, Book> books = new ConcurrentHashMap<>();
  private final Queue<Throwable> faults = new ConcurrentLinkedQueue<>();

  /** A new user, who begins at once. */
  User connect(Kind kind, int port) {
    int session = lastNumber.incrementAndGet() * Kind.values().length + kind.ordinal();
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
        return; // whose it was is not known, nor does it matter
      }
      Book book = new Book();
      if (books.putIfAbsent(fromUser.session(), book) != null) {
        throw new AssertionError("a second connection of " + fromUser);
      }
      keep(book, fromUser, connection);
    } catch (IOException | AssertionError e) {
      faults.add(new AssertionError("at the target: " + e, e));
    }
  }

  private void keep(Book book, Sequence fromUser, TcpEnd connection) throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    User user = users.get(fromUser.session());
    try {
      toUser.write(connection.out(), fromUser.position());
      byte[] piece = new byte[PIECE];
      for (int n = connection.in().read(piece); n >= 0; n = connection.in().read(piece)) {
        fromUser.verify(piece, 0, n);
        toUser.write(connection.out(), n);
      }
      book.ending = Ending.FIN;
      while (user.kind == Kind.HALF_CLOSED && !user.pauseUnlessStopped()) {
        toUser.write(connection.out(), PIECE);
      }
      book.sent = toUser.position();
      connection.socket().shutdownOutput();
      book.finSent = true;
    } catch (SocketException reset) {
      // all that counts is in the book
    } finally {
      book.received = fromUser.position();
      book.closed.countDown();
    }
  }

  /**
   * Fails unless all connections of the target have come to an end, in time, and each to its user's
   * FIN behind all of that user's bytes or to a reset.
   */
  void settle(Duration timeout) {
    books.forEach(
        (session, book) -> {
          User user = users.get(session);
          user.await(book, timeout);
          if (book.ending == Ending.FIN
              && !(user.sending.get(timeout) && book.received == user.toTarget.position())) {
            throw user.missing(book);
          }
        });
    for (Throwable fault : faults) {
      throw new AssertionError(faults.size() + " faults, the first " + fault.getMessage(), fault);
    }
  }

  // ---- users

  final class User {
    private final TcpEnd end;
    private final Kind kind;
    private final Sequence toTarget;
    private final Sequence toUser;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private final Async<Boolean> sending;
    private final Async<Ending> receiving;
    private volatile long received;

    private User(TcpEnd end, int session) {
      this.end = end;
      this.kind = Kind.of(session);
      this.toTarget = Sequence.toTarget(session);
      this.toUser = Sequence.toUser(session);
      users.put(session, this);
      sending = Async.run(this::send);
      receiving = Async.run(this::receive);
    }

    private Ending receive() throws IOException {
      byte[] piece = new byte[PIECE];
      try {
        for (int n = end.in().read(piece); n >= 0; n = end.in().read(piece)) {
          toUser.verify(piece, 0, n);
          received = toUser.position();
        }
        return Ending.FIN;
      } catch (SocketException reset) {
        return Ending.RESET;
      }
    }

    /** Returns whether all was sent, the FIN too. */
    private boolean send() {
      try {
        toTarget.write(end.out(), FEW);
        while (kind == Kind.BULK && !pauseUnlessStopped()) {
          toTarget.write(end.out(), PIECE);
        }
        if (kind == Kind.IDLE) {
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

    /** Brings the session to its end in order; which may have come otherwise. */
    User stop() {
      stopped.countDown();
      return this;
    }

    /** Fails unless more comes from the target, in time. */
    void awaitProgress(Duration timeout) {
      long before = received;
      Awaitility.await(this + ": more").atMost(timeout).until(() -> received > before + PIECE);
    }

    /** How it ends without being told to; fails if it does not in this time. */
    Ending awaitEnd(Duration timeout) {
      Ending ending = receiving.get(timeout);
      stop();
      return ending;
    }

    /** Fails unless the user was served to the end, and every byte is accounted for. */
    void settleInOrder(Duration timeout) {
      Ending ending = stop().settle(timeout);
      if (ending != Ending.FIN) {
        throw new AssertionError(this + " was reset");
      }
    }

    /**
     * Fails unless the user has come to an end, in time, and to the target's FIN behind all of its
     * bytes or to a reset.
     *
     * @return how it ended
     */
    Ending settle(Duration timeout) {
      Ending ending = receiving.get(timeout);
      // who sends learns of a reset first, and after that the kernel tells the reader of an end
      // only
      if (!sending.get(timeout)) {
        ending = Ending.RESET;
      }
      end.close();
      if (ending == Ending.FIN) {
        Book book = books.getOrDefault(toTarget.session(), NONE);
        await(book, timeout);
        if (!book.finSent || book.sent != received) {
          throw missing(book);
        }
      }
      return ending;
    }

    private void await(Book book, Duration timeout) {
      try {
        if (!book.closed.await(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
          throw new AssertionError(this + " still open at the target");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted", e);
      }
    }

    private AssertionError missing(Book book) {
      return new AssertionError("FIN, but bytes are missing: " + this + "; " + book);
    }

    @Override
    public String toString() {
      return kind + " user of " + toTarget + ", " + toUser;
    }
  }
}
