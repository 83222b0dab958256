package io.c2crelay.it.support;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Archives of the classes that the two jars load at start (class data sharing), made once in a test
 * run: a start then takes a fifth less CPU time.
 */
final class ClassArchive {
  /** The first Java with {@code -XX:ArchiveClassesAtExit}. */
  private static final int MIN_JAVA = 13;

  private static final int TIMEOUT_SECONDS = 30;

  private static final Map<Path, List<String>> FLAGS = new ConcurrentHashMap<>();

  private ClassArchive() {}

  /** The JVM flags that use the archive of a jar; none if there is no archive. */
  static List<String> flags(String java, Path jar, List<String> jvmArgs) {
    return FLAGS.computeIfAbsent(jar, missing -> create(java, jar, jvmArgs));
  }

  private static List<String> create(String java, Path jar, List<String> jvmArgs) {
    if (Runtime.version().feature() < MIN_JAVA) {
      return List.of();
    }
    Path archive = Path.of("target", jar.getFileName() + ".jsa").toAbsolutePath();
    try {
      Files.deleteIfExists(archive);
      run(java, jar, jvmArgs, archive);
    } catch (IOException e) {
      throw new AssertionError("cannot make " + archive, e);
    }
    // without the JVM's messages on standard output, should it not use the archive
    return Files.exists(archive)
        ? List.of("-Xlog:disable", "-XX:SharedArchiveFile=" + archive)
        : List.of();
  }

  /** Starts the program, and stops it once it runs: the JVM writes the archive at its end. */
  private static void run(String java, Path jar, List<String> jvmArgs, Path archive)
      throws IOException {
    List<String> command = new ArrayList<>(List.of(java));
    command.addAll(jvmArgs);
    command.addAll(List.of("-XX:ArchiveClassesAtExit=" + archive, "-jar", jar.toString()));
    command.addAll(
        jar.getFileName().toString().startsWith("server")
            ? List.of("--bind", "127.0.0.1", "0")
            : List.of("22", "127.0.0.1", Integer.toString(Ports.free())));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("C2C_KEY", Harness.newKey());
    Process process = builder.start();
    try (BufferedReader output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        if (line.contains("relay.listening") || line.contains("control.unreachable")) {
          process.toHandle().destroy(); // closes no stream
        }
      }
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
