package io.c2crelay.common.cli;

/** A request to stop the running command: a signal, or a test. */
@FunctionalInterface
public interface StopRequest {

  /** Blocks until the stop is requested. */
  void await();

  /** Runs an action at each signal of a name, such as HUP, from now on, where there is one. */
  default void onSignal(String name, Runnable action) {}
}
