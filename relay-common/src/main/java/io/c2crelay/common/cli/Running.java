package io.c2crelay.common.cli;

import io.netty.util.concurrent.Future;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

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

  /** What SIGHUP does, on a thread of the JVM; null to leave it its default action. */
  default @Nullable Runnable reload() {
    return null;
  }

  /** The two methods as functions. */
  static Running of(Supplier<Future<Void>> drain, @Nullable Runnable reload) {
    return new Running() {
      @Override
      public Future<Void> drain() {
        return drain.get();
      }

      @Override
      public @Nullable Runnable reload() {
        return reload;
      }
    };
  }
}
