package io.c2crelay.common.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The names of the options that differ between two configurations. */
public final class ConfigChanges {
  private final List<String> atOnce = new ArrayList<>();
  private final List<String> needRestart = new ArrayList<>();

  /** Compares an option that can change at run time. */
  public void atOnce(String option, @Nullable Object before, @Nullable Object after) {
    addIfChanged(atOnce, option, before, after);
  }

  /** Compares an option that needs a restart. */
  public void needsRestart(String option, @Nullable Object before, @Nullable Object after) {
    addIfChanged(needRestart, option, before, after);
  }

  private static void addIfChanged(
      List<String> names, String name, @Nullable Object before, @Nullable Object after) {
    if (!Objects.equals(before, after)) {
      names.add(name);
    }
  }

  /** The changed options that can change at run time. */
  public List<String> atOnce() {
    return atOnce;
  }

  /** The changed options that need a restart. */
  public List<String> needRestart() {
    return needRestart;
  }
}
