package io.c2crelay.common.cli;

import io.c2crelay.common.auth.SharedKey;
import java.io.BufferedReader;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A file of keys in UTF-8, one per line. A line that begins with {@code #} is a comment. After a
 * key and a space, {@code #} begins the key's name. Empty lines are ignored.
 */
public final class KeyFile {
  /** Deriving each takes up to a second on a small machine at start. */
  private static final int MAX_KEYS = 100;

  /** Separates a key from its name. */
  private static final Pattern COMMENT = Pattern.compile("\\s+#\\s*");

  private final TextFile file;

  private KeyFile(TextFile file) {
    this.file = file;
  }

  /**
   * Describes a file without reading it.
   *
   * @param description names the file in messages, because its path may be a misplaced key
   */
  public static KeyFile of(String file, String description) {
    return new KeyFile(TextFile.secret(file, description));
  }

  /**
   * Reads the file.
   *
   * @return at least one key, in the order of the file
   * @throws StartupException if the file cannot be read or has no keys
   */
  public List<SharedKey> read() throws StartupException {
    List<SharedKey> keys = new ArrayList<>();
    BufferedReader lines = new BufferedReader(new StringReader(file.text()));
    for (String line : lines.lines().map(String::trim).collect(Collectors.toList())) {
      if (!line.isEmpty() && !line.startsWith("#")) {
        Matcher comment = COMMENT.matcher(line);
        boolean named = comment.find();
        keys.add(
            named
                ? SharedKey.of(line.substring(0, comment.start()), line.substring(comment.end()))
                : SharedKey.of(line));
      }
    }
    if (keys.isEmpty()) {
      throw file.failure("has no key", null);
    }
    if (keys.size() > MAX_KEYS) {
      throw file.failure("has more than " + MAX_KEYS + " keys", null);
    }
    return keys;
  }

  /** Whether a key file would treat the text, or a part of it, as a comment. */
  static boolean hasComment(String key) {
    return key.trim().startsWith("#") || COMMENT.matcher(key).find();
  }
}
