package io.c2crelay.common.logging;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Whether lines go to systemd's journal, which stamps them with the time itself and takes their
 * priority from {@code <0>} to {@code <7>} in front of them (sd-daemon(3), systemd.exec(5) on
 * {@code JOURNAL_STREAM}).
 */
public final class Journal {
  private static final Path STANDARD_ERROR = Paths.get("/proc/self/fd/2");

  private Journal() {}

  /**
   * What belongs in front of a line that says why the program ends.
   *
   * @param env the environment
   * @return the mark of priority "err", or nothing where standard error is not the journal
   */
  public static String errorMark(Map<String, String> env) {
    return isStandardError(env) ? mark(3) : "";
  }

  static boolean isStandardError(Map<String, String> env) {
    return is(STANDARD_ERROR, env.get("JOURNAL_STREAM"));
  }

  /**
   * Whether {@code file} is what {@code stream} names by device and inode: the variable outlives a
   * redirection.
   */
  static boolean is(Path file, @Nullable String stream) {
    if (stream == null) {
      return false;
    }
    try {
      Map<String, Object> found = Files.readAttributes(file, "unix:dev,ino");
      return stream.equals(found.get("dev") + ":" + found.get("ino"));
    } catch (IOException | UnsupportedOperationException | SecurityException e) {
      return false;
    }
  }

  static String mark(int severity) {
    return "<" + severity + ">";
  }
}
