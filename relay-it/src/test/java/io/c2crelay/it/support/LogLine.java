package io.c2crelay.it.support;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One line that a process printed.
 *
 * @param nanos when it was read, by {@link System#nanoTime()}
 * @param stdout whether it came from standard output, else from standard error
 */
public record LogLine(long nanos, boolean stdout, String text) {

  /** The value of {@code key=value}; fails where there is none. */
  public String value(String key) {
    Matcher matcher = Pattern.compile("(?:^|\\s)" + Pattern.quote(key) + "=(\\S+)").matcher(text);
    if (!matcher.find()) {
      throw new AssertionError("no " + key + "= in: " + text);
    }
    return matcher.group(1);
  }

  boolean matches(Pattern pattern) {
    return pattern.matcher(text).find();
  }

  @Override
  public String toString() {
    return (stdout ? "out " : "err ") + text;
  }
}
