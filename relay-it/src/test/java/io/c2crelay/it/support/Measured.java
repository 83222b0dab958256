package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/** Writes measurements, one per line, to standard output and {@code target/measured.txt}. */
public final class Measured {

  private static final Path FILE = Path.of("target", "measured.txt");

  private Measured() {}

  /**
   * Writes one measurement.
   *
   * @param format as in {@link String#format}
   */
  public static synchronized void report(String what, String format, Object... values) {
    String line = "measured: " + what + ": " + String.format(Locale.ROOT, format, values);
    System.out.println(line);
    try {
      Files.createDirectories(FILE.getParent());
      Files.writeString(
          FILE,
          line + "\n",
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new AssertionError("cannot write " + FILE, e);
    }
  }
}
