package io.c2crelay.common.cli;

/** The version of a program, from the manifest of its jar. */
public final class ProgramVersion {
  private ProgramVersion() {}

  /** The version of the jar that a class is in; {@code development} if it is in none. */
  public static String of(Class<?> type) {
    String version = type.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
