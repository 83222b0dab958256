package io.c2crelay.common.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Converts sizes in bytes of the command line: {@code 4096}, {@code 64k}, {@code 1m}, {@code 2g}.
 * Units are powers of 1024.
 */
public final class Sizes {
  static final String MESSAGE = "must be a size such as 64k, 1m or 2g";
  private static final Pattern SYNTAX = Pattern.compile("([0-9]{1,9})([kKmMgG])?");

  private Sizes() {}

  /**
   * Parses a size; a number without a unit is in bytes.
   *
   * @return bytes
   * @throws IllegalArgumentException if {@code text} is not a size; the message does not repeat it
   */
  public static long parse(String text) {
    Matcher matcher = SYNTAX.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(MESSAGE);
    }
    int power =
        matcher.group(2) == null ? 0 : " kmg".indexOf(matcher.group(2).toLowerCase(Locale.ROOT));
    return Long.parseLong(matcher.group(1)) << (10 * power);
  }

  /** Formats a size in the largest unit that is exact. */
  public static String format(long bytes) {
    int power = 0;
    long count = bytes;
    while (power < 3 && count != 0 && count % 1024 == 0) {
      count /= 1024;
      power++;
    }
    return power == 0 ? Long.toString(count) : count + "" + " kmg".charAt(power);
  }
}
