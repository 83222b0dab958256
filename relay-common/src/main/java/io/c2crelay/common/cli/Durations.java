package io.c2crelay.common.cli;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Durations as people write them: {@code 500ms}, {@code 15} or {@code 15s}, {@code 2m}, {@code 1h}.
 */
public final class Durations {
  static final String ALLOWED = "must be a duration such as 500ms, 15s, 2m or 1h";
  private static final Pattern FORM = Pattern.compile("([0-9]{1,9})(ms|s|m|h)?");

  private Durations() {}

  /**
   * Reads a duration; a bare number counts seconds.
   *
   * @throws IllegalArgumentException if {@code text} is none, without repeating it
   */
  public static Duration parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(ALLOWED);
    }
    long count = Long.parseLong(form.group(1));
    String unit = form.group(2) == null ? "s" : form.group(2);
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

  /** Reads a duration, or {@code off} as zero. */
  public static Duration parseOrOff(String text) {
    if (text.equals("off")) {
      return Duration.ZERO;
    }
    try {
      return parse(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(ALLOWED + ", or off", e);
    }
  }

  /** Writes a duration in the largest unit that holds it whole; zero is {@code 0s}. */
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
