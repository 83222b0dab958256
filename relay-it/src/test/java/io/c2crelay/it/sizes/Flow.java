package io.c2crelay.it.sizes;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.TalkingUser;
import java.io.IOException;
import java.time.Duration;

/** A user whose session stays open; how fast it is can be measured again and again. */
final class Flow {

  private static final long LENGTH = 16 * 1024 * 1024;
  private static final int TRIES = 5;
  private static final Duration SENT = Duration.ofSeconds(1);

  private final TalkingUser user;

  Flow(TalkingUser user) {
    this.user = user;
  }

  /** The bytes a second that come back: of several tries the best, as others use the machine. */
  double measure() throws IOException {
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
      long begin = System.nanoTime();
      Async<Void> sending = Async.run(this::send);
      user.receive(LENGTH);
      best = Math.max(best, LENGTH * 1e9 / (System.nanoTime() - begin));
      sending.get(SENT);
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
