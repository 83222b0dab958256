package io.c2crelay.it.runtimes;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A {@code java} of this machine and its version: 8, 11, 17 and so on.
 *
 * <p>The first of each version counts, in this order: those that the property {@code
 * relay.test.javas} names (executables, separated by commas), the one that runs the tests, and what
 * lies about: the {@code JAVA_HOME…} of the environment and Linux's {@code /usr/lib/jvm}.
 */
record JavaRuntime(int version, Path executable) {

  private static final String PROPERTY = "relay.test.javas";
  private static final Pattern VERSION =
      Pattern.compile("java\\.specification\\.version = (?:1\\.)?(\\d+)");

  /** All that were asked for, and of {@code versions} what else there is; by version. */
  static Map<Integer, JavaRuntime> find(List<Integer> versions) {
    Map<Integer, JavaRuntime> found = new TreeMap<>();
    for (Path executable : named()) {
      JavaRuntime runtime = of(executable);
      found.putIfAbsent(runtime.version, runtime);
    }
    for (Path executable : lyingAbout()) {
      JavaRuntime runtime = of(executable);
      if (versions.contains(runtime.version)) {
        found.putIfAbsent(runtime.version, runtime);
      }
    }
    return found;
  }

  private static List<Path> named() {
    List<Path> paths = new ArrayList<>();
    for (String path : System.getProperty(PROPERTY, "").split(",")) {
      if (!path.isBlank()) {
        paths.add(Path.of(path.trim()));
      }
    }
    paths.add(java(Path.of(System.getProperty("java.home"))));
    return paths;
  }

  private static Set<Path> lyingAbout() {
    List<Path> homes = new ArrayList<>();
    System.getenv()
        .forEach(
            (name, value) -> {
              if (name.startsWith("JAVA_HOME")) {
                homes.add(Path.of(value));
              }
            });
    Path linux = Path.of("/usr/lib/jvm");
    Set<Path> executables = new LinkedHashSet<>();
    try {
      if (Files.isDirectory(linux)) {
        try (Stream<Path> installed = Files.list(linux)) {
          installed.sorted().forEach(homes::add);
        }
      }
      for (Path home : homes) {
        if (Files.isExecutable(java(home))) {
          executables.add(java(home).toRealPath()); // many are links to others
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return executables;
  }

  private static Path java(Path home) {
    return home.resolve("bin").resolve("java");
  }

  /** Asks it; fails if it does not answer. */
  private static JavaRuntime of(Path executable) {
    try {
      Process process =
          new ProcessBuilder(executable.toString(), "-XshowSettings:properties", "-version")
              .redirectErrorStream(true)
              .start();
      String text;
      try (InputStream out = process.getInputStream()) {
        text = new String(out.readAllBytes(), StandardCharsets.UTF_8);
      }
      Matcher version = VERSION.matcher(text);
      if (!process.waitFor(20, TimeUnit.SECONDS) || !version.find()) {
        throw new AssertionError(executable + " does not tell its version: " + text);
      }
      return new JavaRuntime(Integer.parseInt(version.group(1)), executable);
    } catch (IOException e) {
      throw new AssertionError(executable + " does not run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }
}
