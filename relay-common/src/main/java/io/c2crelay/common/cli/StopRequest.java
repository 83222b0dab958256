package io.c2crelay.common.cli;

/** A request to stop the running command: a signal, or a test. */
@FunctionalInterface
public interface StopRequest {

  /** Blocks until the stop is requested. */
  void await();

  /**
   * From now on, runs an action at each signal with this name, such as HUP, if the system has it.
   */
  default void onSignal(String name, Runnable action) {}
}
