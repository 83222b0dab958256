package io.c2crelay.common.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sizes in bytes as people write them: {@code 4096}, {@code 64k}, {@code 1m}, {@code 2g}; the units
 * are powers of 1024.
 */
public final class Sizes {
  static final String ALLOWED = "must be a size such as 64k, 1m or 2g";
  private static final Pattern FORM = Pattern.compile("([0-9]{1,9})([kKmMgG])?");

  private Sizes() {}

  /**
   * Reads a size; a bare number counts bytes.
   *
   * @return bytes
   * @throws IllegalArgumentException if {@code text} is none, without repeating it
   */
  public static long parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(ALLOWED);
    }
    int power = form.group(2) == null ? 0 : " kmg".indexOf(form.group(2).toLowerCase(Locale.ROOT));
    return Long.parseLong(form.group(1)) << (10 * power);
  }

  /** Writes a size in the largest unit that holds it whole. */
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
