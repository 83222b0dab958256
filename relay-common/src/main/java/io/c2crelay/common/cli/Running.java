package io.c2crelay.common.cli;

import io.netty.util.concurrent.Future;

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
}
