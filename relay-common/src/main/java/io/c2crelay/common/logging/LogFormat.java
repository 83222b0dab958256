package io.c2crelay.common.logging;

/** The form of log lines. */
public enum LogFormat {
  /** Time, level, event and {@code key=value} pairs. */
  TEXT,
  /** An object for each line, with a member for each of them. */
  JSON
}
