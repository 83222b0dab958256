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
  /** Reads the configuration again: command line, environment and files. */
  interface ConfigSource<C> {
    /**
     * Reads all of it.
     *
     * @throws StartupException if a file cannot be read
     * @throws IllegalArgumentException if a value is invalid
     */
    C read() throws StartupException;
  }

  /**
   * Stops accepting work. Does not block.
   *
   * @return completes when all sessions have ended or the drain time has passed, and everything is
   *     closed
   */
  Future<Void> drain();

  /**
   * What SIGHUP does, on a thread of the JVM; null to leave it its default action, the end of the
   * process.
   */
  default @Nullable Consumer<ConfigSource<C>> reload() {
    return null;
  }

  /** What other signals do, by their names without SIG, on a thread of the JVM. */
  default Map<String, Runnable> onSignal() {
    return Collections.emptyMap();
  }

  /** The methods' results. */
  static <C> Running<C> of(
      Supplier<Future<Void>> drain,
      @Nullable Consumer<ConfigSource<C>> reload,
      Map<String, Runnable> onSignal) {
    return new Running<C>() {
      @Override
      public Future<Void> drain() {
        return drain.get();
      }

      @Override
      public @Nullable Consumer<ConfigSource<C>> reload() {
        return reload;
      }

      @Override
      public Map<String, Runnable> onSignal() {
        return onSignal;
      }
    };
  }
}
