package io.c2crelay.it.runtimes;

import io.c2crelay.it.support.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * An installed {@code java} executable and its feature version (8, 11, 17, …).
 *
 * <p>For each version, the first of these is used: the executables in the property {@code
 * relay.test.javas} (comma-separated), the one that runs the tests, the {@code JAVA_HOME…}
 * variables of the environment, and {@code /usr/lib/jvm}.
 */
record JavaRuntime(int version, Path executable) {

  private static final String PROPERTY = "relay.test.javas";
  private static final Pattern VERSION =
      Pattern.compile("java\\.specification\\.version = (?:1\\.)?(\\d+)");

  /** Returns all named runtimes, and the installed ones of {@code versions}, by version. */
  static Map<Integer, JavaRuntime> find(List<Integer> versions) {
    Map<Integer, JavaRuntime> found = new TreeMap<>();
    for (Path executable : named()) {
      JavaRuntime runtime = of(executable);
      found.putIfAbsent(runtime.version, runtime);
    }
    for (Path executable : installed()) {
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

  private static Set<Path> installed() {
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
        try (Stream<Path> entries = Files.list(linux)) {
          entries.sorted().forEach(homes::add);
        }
      }
      for (Path home : homes) {
        if (Files.isExecutable(java(home))) {
          executables.add(java(home).toRealPath()); // many are symbolic links
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

  /** Runs it to get its version. */
  private static JavaRuntime of(Path executable) {
    String text =
        Command.run(executable.toString(), "-XshowSettings:properties", "-version").output();
    Matcher version = VERSION.matcher(text);
    if (!version.find()) {
      throw new AssertionError(executable + " printed no version: " + text);
    }
    return new JavaRuntime(Integer.parseInt(version.group(1)), executable);
  }
}
