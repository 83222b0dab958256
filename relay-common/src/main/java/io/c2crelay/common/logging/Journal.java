package io.c2crelay.common.logging;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Detects whether standard error is connected to systemd's journal, which adds the time itself and
 * takes the priority from a prefix of {@code <0>} to {@code <7>} (sd-daemon(3); systemd.exec(5),
 * {@code JOURNAL_STREAM}).
 */
public final class Journal {
  private static final Path STANDARD_ERROR = Paths.get("/proc/self/fd/2");

  private Journal() {}

  /**
   * Returns the prefix of an error line on standard error.
   *
   * @param env the environment
   * @return the journal's prefix for priority "err"; empty if standard error is not the journal
   */
  public static String errorPrefix(Map<String, String> env) {
    return isStandardError(env) ? priorityPrefix(3) : "";
  }

  static boolean isStandardError(Map<String, String> env) {
    return matches(STANDARD_ERROR, env.get("JOURNAL_STREAM"));
  }

  /**
   * Returns whether {@code file} has the device and inode that {@code stream} names. The variable
   * alone proves nothing: it remains set when standard error is redirected.
   */
  static boolean matches(Path file, @Nullable String stream) {
    if (stream == null) {
      return false;
    }
    try {
      Map<String, Object> attributes = Files.readAttributes(file, "unix:dev,ino");
      return stream.equals(attributes.get("dev") + ":" + attributes.get("ino"));
    } catch (IOException | UnsupportedOperationException | SecurityException e) {
      return false;
    }
  }

  static String priorityPrefix(int severity) {
    return "<" + severity + ">";
  }
}
