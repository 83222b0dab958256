package io.c2crelay.it.hostile;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Measured;
import io.c2crelay.it.support.TcpEnd;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Measures the round-trip times of messages in one session with an echoing target: it sends the
 * next message when the echo of the previous one has arrived.
 */
final class EchoLatencyProbe implements AutoCloseable {

  private static final byte[] MESSAGE = Bulk.bytes(7, 8 * 1024);

  private final TcpEnd user;
  private final List<Long> micros = new ArrayList<>(); // guarded by itself
  private long startNanos = System.nanoTime();
  private volatile boolean closed;
  private volatile Throwable failure;

  private EchoLatencyProbe(TcpEnd user) {
    this.user = user;
    Async.start("echo-latency-probe", this::run);
  }

  static EchoLatencyProbe start(TcpEnd user) {
    return new EchoLatencyProbe(user);
  }

  private void run() {
    try {
      while (!closed) {
        long begin = System.nanoTime();
        byte[] echo = user.send(MESSAGE).receive(MESSAGE.length);
        assertThat(echo).isEqualTo(MESSAGE);
        synchronized (micros) {
          micros.add(TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin));
        }
      }
    } catch (Throwable e) {
      failure = closed ? null : e;
    }
  }

  /** The median and the 99th percentile of the round-trip times. */
  record Times(long medianMicros, long p99Micros) {}

  /** Discards all measurements so far. */
  void reset() {
    synchronized (micros) {
      micros.clear();
    }
    startNanos = System.nanoTime();
  }

  /** Reports the measurements since the last {@link #reset} or report, and discards them. */
  Times report(String what) {
    if (failure != null) {
      throw new AssertionError("the user in session failed", failure);
    }
    List<Long> all;
    synchronized (micros) {
      all = new ArrayList<>(micros);
    }
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    reset();
    assertThat(all).as("messages echoed").isNotEmpty();
    Times times = new Times(percentile(all, 50), percentile(all, 99));
    Measured.report(
        what,
        "echoes=%.0f/s median=%dus p99=%dus slowest=%dus",
        all.size() / seconds,
        times.medianMicros,
        times.p99Micros,
        percentile(all, 100));
    return times;
  }

  static long percentile(List<Long> values, int percent) {
    List<Long> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100));
  }

  /** Ends the session. */
  void stop() {
    closed = true;
    user.close();
  }

  @Override
  public void close() {
    stop();
  }
}
