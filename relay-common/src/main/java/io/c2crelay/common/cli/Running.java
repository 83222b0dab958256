package io.c2crelay.common.cli;

import io.netty.util.concurrent.Future;
import java.util.Collections;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A started relay or agent.
 *
 * @param <C> its configuration
 */
@FunctionalInterface
public interface Running<C> {
  /**
   * Stops accepting work. Does not block.
   *
   * @return completes when all sessions have ended or the drain time has passed, and everything is
   *     closed
   */
  Future<Void> drain();

  /**
   * The action for SIGHUP, run on a thread of the JVM; null keeps the default action, which ends
   * the process.
   */
  default @Nullable Consumer<Reloader.Source<C>> reload() {
    return null;
  }

  /** The actions for other signals, by name without SIG, run on a thread of the JVM. */
  default Map<String, Runnable> onSignal() {
    return Collections.emptyMap();
  }

  /** Creates an instance whose methods return these values. */
  static <C> Running<C> of(
      Supplier<Future<Void>> drain,
      @Nullable Consumer<Reloader.Source<C>> reload,
      Map<String, Runnable> onSignal) {
    return new Running<C>() {
      @Override
      public Future<Void> drain() {
        return drain.get();
      }

      @Override
      public @Nullable Consumer<Reloader.Source<C>> reload() {
        return reload;
      }

      @Override
      public Map<String, Runnable> onSignal() {
        return onSignal;
      }
    };
  }
}
