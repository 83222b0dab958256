package io.c2crelay.common.cli;

/** The version of a program, from the manifest of its jar. */
public final class ProgramVersion {
  private ProgramVersion() {}

  /** The version of the jar that contains a class; {@code development} outside a jar. */
  public static String of(Class<?> type) {
    String version = type.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
