package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import org.jspecify.annotations.Nullable;

/**
 * The machine refuses what the command line asks for: a port in use, an unreadable file. The
 * command ends with exit code 1 and shows the message, one clear sentence without a key in it; the
 * stack is never shown.
 */
public final class StartupException extends Exception {
  private static final long serialVersionUID = 1L;

  /** A refusal that nothing lower down explains. */
  public StartupException(String message) {
    this(message, null);
  }

  /** A refusal and what caused it; only {@code message} is shown. */
  public StartupException(String message, @Nullable Throwable cause) {
    super(requireNonNull(message, "message"), cause);
  }
}
