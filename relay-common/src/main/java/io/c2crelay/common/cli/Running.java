package io.c2crelay.common.cli;

import io.netty.util.concurrent.Future;

/** A relay or an agent at work. */
@FunctionalInterface
public interface Running {

  /**
   * Stops taking work and returns at once.
   *
   * @return completes when no session is left or the drain limit is over, with everything closed
   */
  Future<Void> drain();
}
