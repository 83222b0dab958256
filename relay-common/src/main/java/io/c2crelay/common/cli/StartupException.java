package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import org.jspecify.annotations.Nullable;

/**
 * Startup failed for a reason outside the command line, such as a port in use or an unreadable
 * file. The command shows the message, one sentence without a key, and exits with code 1. The stack
 * trace is not shown.
 */
public final class StartupException extends Exception {
  private static final long serialVersionUID = 1L;

  public StartupException(String message) {
    this(message, null);
  }

  public StartupException(String message, @Nullable Throwable cause) {
    super(requireNonNull(message, "message"), cause);
  }
}
