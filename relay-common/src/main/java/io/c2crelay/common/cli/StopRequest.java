package io.c2crelay.common.cli;

/** A request to stop the running command: a signal, or a test. */
@FunctionalInterface
public interface StopRequest {

  /** Blocks until the stop is requested. */
  void await();

  /** Runs an action at each SIGHUP from now on, where there is such a signal. */
  default void onHangup(Runnable action) {}
}
