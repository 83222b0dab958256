package io.c2crelay.it.faults;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.Launch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * A wall clock for selected processes, which can be set while they run. It uses libfaketime and
 * leaves the monotonic clock of the processes unchanged.
 */
final class FakeClock {

  /** Upper bound, by measurement, of the delay until a process observes {@link #set}. */
  static final long MAX_LAG_MILLIS = 2_000;

  private static final List<Path> DIRECTORIES =
      List.of(Path.of("/usr/lib"), Path.of("/usr/lib64"), Path.of("/usr/local/lib"));

  private final Path library;
  private final Path file;

  private FakeClock(Path library, Path file) {
    this.library = library;
    this.file = file;
  }

  /** Skips the test if libfaketime is not installed. */
  static FakeClock assumeAvailable(Path directory) throws IOException {
    Path library = library();
    assumeTrue(library != null, "libfaketime (Debian's package of that name) is not installed");
    FakeClock clock = new FakeClock(library, Files.createTempFile(directory, "clock", ""));
    clock.set("+0");
    return clock;
  }

  private static Path library() throws IOException {
    for (Path directory : DIRECTORIES) {
      if (Files.isDirectory(directory)) {
        try (Stream<Path> found =
            Files.find(directory, 3, (path, any) -> path.endsWith("faketime/libfaketimeMT.so.1"))) {
          Path first = found.findFirst().orElse(null);
          if (first != null) {
            return first;
          }
        }
      }
    }
    return null;
  }

  Launch applyTo(Launch launch) {
    return launch
        .env("LD_PRELOAD", library.toString())
        .env("FAKETIME_TIMESTAMP_FILE", file.toString())
        .env("FAKETIME_CACHE_DURATION", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_FORCE_MONOTONIC_FIX", "0"); // old glibc: else the JVM's waits spin
  }

  /**
   * @param time in the format of faketime(1): {@code +3h}, {@code -1d}, {@code @2100-01-01
   *     00:00:00}
   */
  void set(String time) throws IOException {
    Path next = file.resolveSibling(file.getFileName() + ".next");
    Files.writeString(next, time + "\n");
    Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }
}
