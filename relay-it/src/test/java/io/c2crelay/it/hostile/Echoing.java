package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.TcpEnd;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A user in session with an echoing target, who sends a message when the one before has come back,
 * all the time, and takes the time of each.
 */
final class Echoing implements AutoCloseable {

  private static final byte[] MESSAGE = Bulk.bytes(7, 8 * 1024);

  private final TcpEnd user;
  private final Thread thread;
  private final List<Long> micros = new ArrayList<>(); // guarded by itself
  private long lapNanos = System.nanoTime();
  private volatile boolean over;
  private volatile Throwable failure;

  private Echoing(TcpEnd user) {
    this.user = user;
    thread = new Thread(this::run, "echoing");
    thread.setDaemon(true);
    thread.start();
  }

  static Echoing by(TcpEnd user) {
    return new Echoing(user);
  }

  private void run() {
    try {
      while (!over) {
        long begin = System.nanoTime();
        byte[] back = user.send(MESSAGE).receive(MESSAGE.length);
        assertThat(back).isEqualTo(MESSAGE);
        synchronized (micros) {
          micros.add(TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin));
        }
      }
    } catch (Throwable e) {
      failure = over ? null : e;
    }
  }

  /** How long messages took to come back, half of them and all but one in a hundred. */
  record Times(long medianMicros, long p99Micros) {}

  /** Forgets the times until now. */
  void begin() {
    synchronized (micros) {
      micros.clear();
    }
    lapNanos = System.nanoTime();
  }

  /** Of the time since {@link #begin}, or since the lap before. */
  Times lap(String what) {
    if (failure != null) {
      throw new AssertionError("the user in session failed", failure);
    }
    List<Long> lap;
    synchronized (micros) {
      lap = new ArrayList<>(micros);
    }
    double seconds = (System.nanoTime() - lapNanos) / 1e9;
    begin();
    assertThat(lap).as("messages echoed").isNotEmpty();
    Collections.sort(lap);
    Times times = new Times(lap.get(lap.size() / 2), lap.get(lap.size() * 99 / 100));
    Measured.say(
        what,
        "echoes=%.0f/s median=%dus p99=%dus slowest=%dus",
        lap.size() / seconds,
        times.medianMicros,
        times.p99Micros,
        lap.get(lap.size() - 1));
    return times;
  }

  /** Ends the session. */
  void leave() {
    over = true;
    user.close();
  }

  @Override
  public void close() {
    leave();
  }
}
