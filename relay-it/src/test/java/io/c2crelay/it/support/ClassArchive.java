package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Class data sharing archives of the classes that the two jars load at start. Created once per test
 * run; they save a fifth of the CPU time of a start.
 */
final class ClassArchive {
  /** The first Java with {@code -XX:ArchiveClassesAtExit}. */
  private static final int MIN_JAVA = 13;

  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private static final Map<String, List<String>> FLAGS = new ConcurrentHashMap<>();

  private ClassArchive() {}

  /**
   * The JVM flags that use the archive of a program; none if this Java does not support such
   * archives.
   *
   * @param program must have the same JVM flags as the later starts
   */
  static List<String> flags(String name, Launch program) {
    return FLAGS.computeIfAbsent(name, missing -> create(name, program));
  }

  /** Starts the program and stops it once it runs: the JVM writes the archive when it exits. */
  private static List<String> create(String name, Launch program) {
    if (Runtime.version().feature() < MIN_JAVA) {
      return List.of();
    }
    Path archive = Path.of("target", name + ".jsa").toAbsolutePath();
    try {
      Files.deleteIfExists(archive);
    } catch (IOException e) {
      throw new AssertionError("cannot delete " + archive, e);
    }
    program.jvmArgs("-XX:ArchiveClassesAtExit=" + archive);
    Path log = Path.of("target", "it-logs", name + "-archive.log");
    try (JarProcess process = new JarProcess(name, program, log)) {
      process.awaitLog("relay\\.listening|control\\.unreachable", TIMEOUT);
      process.terminate();
      process.awaitExit(TIMEOUT);
    }
    // suppresses the JVM's messages on standard output if it cannot use the archive
    return List.of("-Xlog:disable", "-XX:SharedArchiveFile=" + archive);
  }
}
