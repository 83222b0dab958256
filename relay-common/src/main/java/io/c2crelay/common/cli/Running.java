package io.c2crelay.common.cli;

import io.netty.util.concurrent.Future;
import java.util.Collections;
import java.util.Map;
import java.util.function.Supplier;

/** A started relay or agent. */
@FunctionalInterface
public interface Running {

  /**
   * Stops accepting work. Does not block.
   *
   * @return completes when all sessions have ended or the drain time has passed, and everything is
   *     closed
   */
  Future<Void> drain();

  /**
   * What a signal does, by its name without SIG, on a thread of the JVM. Others keep their default
   * action.
   */
  default Map<String, Runnable> onSignal() {
    return Collections.emptyMap();
  }

  /** The two methods' results. */
  static Running of(Supplier<Future<Void>> drain, Map<String, Runnable> onSignal) {
    return new Running() {
      @Override
      public Future<Void> drain() {
        return drain.get();
      }

      @Override
      public Map<String, Runnable> onSignal() {
        return onSignal;
      }
    };
  }
}
