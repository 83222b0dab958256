package io.c2crelay.common.logging;

/** The format of log lines. */
public enum LogFormat {
  /** Time, level, event and {@code key=value} pairs. */
  TEXT,
  /** A JSON object per line, with a member for each of these fields. */
  JSON
}
