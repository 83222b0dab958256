package io.c2crelay.common.cli;

/** Whoever may ask the running command to stop: signals, or a test. */
@FunctionalInterface
public interface StopRequest {

  /** Blocks until a stop is asked for. */
  void await();
}
