package io.c2crelay.it.sizes;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.TalkingUser;
import java.io.IOException;
import java.time.Duration;

/** Measures the throughput of one open session, repeatedly. */
final class ThroughputProbe {

  private static final long LENGTH = 16 * 1024 * 1024;
  private static final int ATTEMPTS = 5;
  private static final Duration SEND_TIMEOUT = Duration.ofSeconds(1);

  private final TalkingUser user;

  ThroughputProbe(TalkingUser user) {
    this.user = user;
  }

  /** Returns the echoed bytes per second: the best of several attempts, to ignore other load. */
  double measure() throws IOException {
    double best = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
      long begin = System.nanoTime();
      Async<Void> sending = Async.run(this::send);
      user.receive(LENGTH);
      best = Math.max(best, LENGTH * 1e9 / (System.nanoTime() - begin));
      sending.get(SEND_TIMEOUT);
    }
    return best;
  }

  void close() throws IOException {
    user.finish();
  }

  private Void send() throws IOException {
    user.send(LENGTH);
    return null;
  }
}
