package io.c2crelay.it.sizes;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.time.Duration;

/**
 * The scenarios of the soak. The session number encodes the scenario and the lengths, so both ends
 * know them. A {@link SocketException} means that the session was reset, which only {@link
 * #USER_ABORTS} and {@link #TARGET_ABORTS} expect.
 */
enum SessionScenario {
  /** A request, a reply, FIN both ways. */
  SHORT {
    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      user.send(length);
      user.receive(length);
      user.finish();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      answerAll(target, fromUser, length(fromUser.session()));
    }
  },

  /** A thousand times the bytes of SHORT, both ways at once. */
  BULK {
    @Override
    void user(TalkingUser user) throws IOException {
      long length = 1_000L * length(user.session());
      Async<IOException> sending =
          Async.run(
              () -> {
                try {
                  user.send(length);
                  return null;
                } catch (IOException e) {
                  return e;
                }
              });
      user.receive(length);
      sending.get(Duration.ofSeconds(1)); // every byte was echoed, so the send is done
      user.finish();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      answerAll(target, fromUser, 1_000L * length(fromUser.session()));
    }
  },

  /** A request and a reply per second, for a minute. */
  LONG {
    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      for (int second = 0; second < SECONDS; second++) {
        user.send(length);
        user.receive(length);
        pause(1_000);
      }
      user.finish();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      answerAll(target, fromUser, (long) SECONDS * length(fromUser.session()));
    }
  },

  /** The user sends everything and FIN; then the target replies. */
  USER_HALF_CLOSE {
    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      user.send(length);
      user.finish();
      expectReceived(user, length);
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      expectRest(target, fromUser, length(fromUser.session()));
      Sequence.toUser(fromUser.session()).write(target.out(), fromUser.position());
    }
  },

  /** The target sends everything and FIN; then the user replies. */
  TARGET_HALF_CLOSE {
    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      user.send(Long.BYTES);
      user.receiveToFin();
      expectReceived(user, length);
      user.send(length);
      user.sendFin();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      int length = length(fromUser.session());
      Sequence.toUser(fromUser.session()).write(target.out(), length);
      target.socket().shutdownOutput();
      expectRest(target, fromUser, Long.BYTES + length);
    }
  },

  /** The user reads half of the reply, then resets. */
  USER_ABORTS {
    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      user.send(length);
      user.receive(length / 2);
      user.reset();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      try {
        answer(target, fromUser);
      } catch (SocketException e) {
        return;
      }
      throw new AssertionError(fromUser + " ends with FIN, though the user aborted");
    }
  },

  /** The target reads everything, then resets. */
  TARGET_ABORTS {
    @Override
    void user(TalkingUser user) throws IOException {
      user.send(length(user.session()));
      if (user.receiveToEnd() == Ending.FIN) {
        throw new AssertionError(user + " ends with FIN, though the target aborted");
      }
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      fromUser.read(target.in(), length(fromUser.session()) - fromUser.position());
      target.reset();
    }
  },

  /** The target sends first; its bytes tell the user the session number. */
  TARGET_FIRST {
    @Override
    TalkingUser connect(InetSocketAddress relay, int session) throws IOException {
      return TalkingUser.listening(relay, session);
    }

    @Override
    void user(TalkingUser user) throws IOException {
      int length = length(user.session());
      user.receive(length - user.received());
      user.send(length);
      user.finish();
    }

    @Override
    void target(TcpEnd target, Sequence fromUser) throws IOException {
      int length = length(fromUser.session());
      Sequence.toUser(fromUser.session()).write(target.out(), length);
      expectRest(target, fromUser, length);
      target.socket().shutdownOutput();
    }
  };

  private static final int SECONDS = 60;

  int session(int number) {
    return number * values().length + ordinal();
  }

  static SessionScenario of(int session) {
    return values()[session % values().length];
  }

  TalkingUser connect(InetSocketAddress relay, int session) throws IOException {
    return TalkingUser.connect(relay, session);
  }

  /** Runs the user's side; the caller closes. */
  abstract void user(TalkingUser user) throws IOException;

  /** Runs the target's side; the caller closes. */
  abstract void target(TcpEnd target, Sequence fromUser) throws IOException;

  private static int length(int session) {
    return 100 + session * 7 % 4_000;
  }

  private static void answer(TcpEnd target, Sequence fromUser) throws IOException {
    Sequence toUser = Sequence.toUser(fromUser.session());
    toUser.write(target.out(), fromUser.position());
    fromUser.readToFin(target.in(), n -> toUser.write(target.out(), n));
  }

  private static void answerAll(TcpEnd target, Sequence fromUser, long length) throws IOException {
    answer(target, fromUser);
    expect(fromUser, length);
    target.socket().shutdownOutput();
  }

  private static void expectRest(TcpEnd target, Sequence fromUser, long length) throws IOException {
    fromUser.readToFin(target.in(), n -> {});
    expect(fromUser, length);
  }

  private static void expect(Sequence sequence, long length) {
    if (sequence.position() != length) {
      throw new AssertionError(sequence + " ends with FIN, expected at " + length);
    }
  }

  private static void expectReceived(TalkingUser user, long length) {
    if (user.received() != length) {
      throw new AssertionError(user + ": FIN, expected at " + length);
    }
  }

  private static void pause(long millis) throws InterruptedIOException {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new InterruptedIOException("interrupted");
    }
  }
}
