package io.c2crelay.it.support;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One line of output of a process.
 *
 * @param nanos when it was read, by {@link System#nanoTime()}
 * @param stdout whether it is from standard output, else standard error
 */
public record LogLine(long nanos, boolean stdout, String text) {

  private static final Pattern LOGGED = Pattern.compile("^\\d{4}-\\d\\d-\\d\\dT");

  /** The log format of docs/operations.md, for lines at info and above. */
  private static final Pattern WELL_FORMED =
      Pattern.compile(
          "^\\S+ (?:(?:INFO |WARN |ERROR) [a-z][a-z_]*(?:\\.[a-z_]+)*"
              + "(?: [a-z_]+=(?:[^\\s\"=\\\\]+|\"(?:[^\"\\\\]|\\\\.)*\"))*|(?:WARN |ERROR) io\\.netty\\.\\S+ .*"
              + "|(?:DEBUG|TRACE) .*)$");

  /** Whether a log line has the documented format; other output is not checked. */
  boolean isWellFormed() {
    return stdout || !LOGGED.matcher(text).find() || WELL_FORMED.matcher(text).matches();
  }

  /** The value of {@code key=value}; fails if there is none. */
  public String value(String key) {
    Matcher matcher =
        Pattern.compile("(?:^|\\s)" + Pattern.quote(key) + "=(\"(?:[^\"\\\\]|\\\\.)*\"|\\S+)")
            .matcher(text);
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
