package io.c2crelay.common.admin;

import io.c2crelay.common.logging.LogText;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The status as tables for a terminal. */
final class StatusText {
  private StatusText() {}

  /** Formats a status: single values first, then a table for each list of maps. */
  static String of(Map<String, Object> status) {
    StringBuilder out = new StringBuilder();
    StringBuilder tables = new StringBuilder();
    status.forEach(
        (name, value) -> {
          if (value instanceof Collection) {
            append(tables, name, (Collection<?>) value);
          } else if (!(value instanceof Map)) {
            out.append(name).append(": ").append(value).append('\n');
          }
        });
    return out.append(tables).toString().trim();
  }

  private static void append(StringBuilder out, String name, Collection<?> values) {
    out.append('\n').append(name).append(": ").append(values.size()).append('\n');
    List<List<String>> lines = new ArrayList<>();
    for (Object value : values) {
      if (value instanceof Map) {
        Map<?, ?> row = (Map<?, ?>) value;
        if (lines.isEmpty()) {
          lines.add(cells(row.keySet()));
        }
        lines.add(cells(row.values()));
      } else {
        out.append("  ").append(value).append('\n');
      }
    }
    appendAligned(out, lines);
  }

  private static List<String> cells(Collection<?> values) {
    List<String> cells = new ArrayList<>();
    values.forEach(value -> cells.add(LogText.safe(String.valueOf(value))));
    return cells;
  }

  private static void appendAligned(StringBuilder out, List<List<String>> lines) {
    for (List<String> line : lines) {
      for (int column = 0; column < line.size(); column++) {
        int at = column;
        int width = lines.stream().mapToInt(other -> other.get(at).length()).max().orElse(0);
        String format = column == line.size() - 1 ? "  %s" : "  %-" + Math.max(1, width) + "s";
        out.append(String.format(Locale.ROOT, format, line.get(column)));
      }
      out.append('\n');
    }
  }
}
