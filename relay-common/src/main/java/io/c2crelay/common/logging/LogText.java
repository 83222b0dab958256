package io.c2crelay.common.logging;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Makes text fit to be logged: one line, nothing a terminal would obey, of bounded length.
 *
 * <p>A line is an event and {@code key=value} pairs. A value is bare if it has neither a space nor
 * one of {@code " = \}; else it is in double quotes, with {@code \"}, {@code \\} and the escapes of
 * {@link #safe} in it.
 */
public final class LogText {
  private static final int MAX_CHARS = 256;

  private LogText() {}

  /**
   * Escapes control and format characters (line ends of every kind and changes of writing direction
   * among them), unpaired surrogates and the backslash, and cuts what is longer than 256
   * characters.
   */
  public static String safe(@Nullable String text) {
    if (text == null) {
      return "null";
    }
    StringBuilder out = new StringBuilder(Math.min(text.length(), MAX_CHARS) + 16);
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      if (i >= MAX_CHARS) {
        return out.append("...").toString();
      }
      append(out, c);
      i += Character.charCount(c);
    }
    return out.toString();
  }

  /** Text as the value of a {@code key=value} pair; null is {@code -}. */
  public static String value(@Nullable Object value) {
    if (value == null) {
      return "-";
    }
    String safe = safe(value.toString());
    boolean bare = !safe.isEmpty() && safe.chars().noneMatch(LogText::needsQuotes);
    return bare ? safe : '"' + safe.replace("\"", "\\\"") + '"';
  }

  private static boolean needsQuotes(int c) {
    return c == '"' || c == '=' || c == '\\' || Character.isSpaceChar(c);
  }

  private static void append(StringBuilder out, int c) {
    if (c == '\\') {
      out.append("\\\\");
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (hidden(c)) {
      out.append(String.format(Locale.ROOT, c > 0xFFFF ? "\\U%08x" : "\\u%04x", c));
    } else {
      out.appendCodePoint(c);
    }
  }

  private static boolean hidden(int c) {
    switch (Character.getType(c)) {
      case Character.CONTROL:
      case Character.FORMAT:
      case Character.LINE_SEPARATOR:
      case Character.PARAGRAPH_SEPARATOR:
      case Character.SURROGATE:
      case Character.PRIVATE_USE:
      case Character.UNASSIGNED:
        return true;
      default:
        return false;
    }
  }
}
