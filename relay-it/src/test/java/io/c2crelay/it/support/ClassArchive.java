package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Archives of the classes that the two jars load at start (class data sharing), made once in a test
 * run: a start then takes a fifth less CPU time.
 */
final class ClassArchive {
  /** The first Java with {@code -XX:ArchiveClassesAtExit}. */
  private static final int MIN_JAVA = 13;

  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private static final Map<String, List<String>> FLAGS = new ConcurrentHashMap<>();

  private ClassArchive() {}

  /**
   * The JVM flags that use the archive of a program; none if Java has no such archives.
   *
   * @param program with the JVM flags of the later starts, which must be the same
   */
  static List<String> flags(String name, Launch program) {
    return FLAGS.computeIfAbsent(name, missing -> create(name, program));
  }

  /** The JVM writes the archive at the end of the program, which is stopped once it runs. */
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
    // without the JVM's messages on standard output, should it not use the archive
    return List.of("-Xlog:disable", "-XX:SharedArchiveFile=" + archive);
  }
}
