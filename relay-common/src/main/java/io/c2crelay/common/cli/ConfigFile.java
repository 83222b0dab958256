package io.c2crelay.common.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * A file of options in UTF-8: lines {@code key = value}, empty lines, and comments that begin with
 * {@code #}. {@link ArgumentSources} defines the keys.
 */
final class ConfigFile {
  private static final String DESCRIPTION = "the file given with --config";

  /** A line with a key. */
  static final class Entry {
    final int line;
    final String key;
    final String value;

    Entry(int line, String key, String value) {
      this.line = line;
      this.key = key;
      this.value = value;
    }

    /** Describes what is wrong with the line, without its text. */
    IllegalArgumentException error(String what) {
      return ConfigFile.error(line, what);
    }
  }

  private ConfigFile() {}

  private static IllegalArgumentException error(int line, String what) {
    return new IllegalArgumentException("line " + line + " of " + DESCRIPTION + ": " + what);
  }

  /**
   * Reads a file.
   *
   * @throws StartupException if it cannot be read
   * @throws IllegalArgumentException if a line has no key; the message names the line
   */
  static List<Entry> read(String file) throws StartupException {
    List<Entry> entries = new ArrayList<>();
    int number = 0;
    for (String line : TextFile.plain(file, DESCRIPTION).text().split("\\R", -1)) {
      number++;
      String text = line.trim();
      if (text.isEmpty() || text.startsWith("#")) {
        continue;
      }
      int equals = text.indexOf('=');
      if (equals < 1) {
        throw error(number, "expected key = value");
      }
      entries.add(
          new Entry(number, text.substring(0, equals).trim(), text.substring(equals + 1).trim()));
    }
    return entries;
  }
}
