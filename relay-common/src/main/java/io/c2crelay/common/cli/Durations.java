package io.c2crelay.common.cli;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Converts durations of the command line: {@code 500ms}, {@code 15} or {@code 15s}, {@code 2m},
 * {@code 1h}.
 */
public final class Durations {
  static final String MESSAGE = "must be a duration such as 500ms, 15s, 2m or 1h";
  private static final Pattern SYNTAX = Pattern.compile("([0-9]{1,9})(ms|s|m|h)?");

  private Durations() {}

  /**
   * Parses a duration; a number without a unit is in seconds.
   *
   * @throws IllegalArgumentException if {@code text} is not a duration; the message does not repeat
   *     it
   */
  public static Duration parse(String text) {
    Matcher matcher = SYNTAX.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(MESSAGE);
    }
    long count = Long.parseLong(matcher.group(1));
    String unit = matcher.group(2) == null ? "s" : matcher.group(2);
    switch (unit) {
      case "ms":
        return Duration.ofMillis(count);
      case "m":
        return Duration.ofMinutes(count);
      case "h":
        return Duration.ofHours(count);
      default:
        return Duration.ofSeconds(count);
    }
  }

  /** As {@link #parse}; {@code off} is zero. */
  public static Duration parseOrOff(String text) {
    if (text.equals("off")) {
      return Duration.ZERO;
    }
    try {
      return parse(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(MESSAGE + ", or off", e);
    }
  }

  /** Formats a duration in the largest unit that is exact; zero is {@code 0s}. */
  public static String format(Duration duration) {
    long millis = duration.toMillis();
    if (millis % 1000 != 0) {
      return millis + "ms";
    }
    long seconds = millis / 1000;
    if (seconds == 0 || seconds % 60 != 0) {
      return seconds + "s";
    }
    return seconds % 3600 == 0 ? seconds / 3600 + "h" : seconds / 60 + "m";
  }
}
