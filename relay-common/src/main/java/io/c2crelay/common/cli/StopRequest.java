package io.c2crelay.common.cli;

/** A request to stop the running command: a signal, or a test. */
@FunctionalInterface
public interface StopRequest {

  /** Blocks until the stop is requested. */
  void await();
}
