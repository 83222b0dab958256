package io.c2crelay.common.logging;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Sanitises untrusted text for log lines: one line, no control sequences, bounded length.
 *
 * <p>A line is an event name and {@code key=value} pairs. A value that is empty or contains a space
 * or one of {@code " = \} is in double quotes, in which {@code \"}, {@code \\} and the escapes of
 * {@link #safe} occur.
 */
public final class LogText {
  private static final int MAX_CHARS = 256;

  private LogText() {}

  /**
   * Escapes control and format characters (including line separators and bidirectional controls),
   * unpaired surrogates and backslashes. Truncates text of more than 256 characters.
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

  /** Formats the value of a {@code key=value} pair, quoted if necessary; null is {@code -}. */
  public static String value(@Nullable Object value) {
    if (value == null) {
      return "-";
    }
    String safe = safe(value.toString());
    boolean unquoted = !safe.isEmpty() && safe.chars().noneMatch(LogText::needsQuotes);
    return unquoted ? safe : '"' + safe.replace("\"", "\\\"") + '"';
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
    } else if (isUnprintable(c)) {
      out.append(String.format(Locale.ROOT, c > 0xFFFF ? "\\U%08x" : "\\u%04x", c));
    } else {
      out.appendCodePoint(c);
    }
  }

  private static boolean isUnprintable(int c) {
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
