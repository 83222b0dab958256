package io.c2crelay.it.support;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Resource usage of a process, from proc(5).
 *
 * @param residentKb resident memory now
 * @param peakKb peak resident memory since {@link #resetPeak}
 * @param cpuMillis CPU time so far
 * @param threads sorted names, without the JVM's compiler threads, whose number varies
 */
public record Footprint(
    long residentKb, long peakKb, long cpuMillis, int descriptors, List<String> threads) {

  private static final Path PROC = Path.of("/proc");
  private static final long MILLIS_PER_TICK = 10; // USER_HZ is 100 wherever Linux runs Java
  private static final String COMPILER = "C[12] CompilerThre";

  public static void assumeKnown() {
    assumeTrue(Files.isDirectory(PROC.resolve("self/task")), "needs /proc");
  }

  public static Footprint of(JarProcess process) {
    Path proc = PROC.resolve(Long.toString(process.pid()));
    try {
      String status = Files.readString(proc.resolve("status"));
      return new Footprint(
          kilobytes(status, "VmRSS"),
          kilobytes(status, "VmHWM"),
          cpuMillis(Files.readString(proc.resolve("stat"))),
          list(proc.resolve("fd")).size(),
          threads(proc.resolve("task")));
    } catch (IOException e) {
      throw new AssertionError("cannot read /proc of " + process.name() + ": " + e, e);
    }
  }

  /** Resets the peak. */
  public static void resetPeak(JarProcess process) {
    try {
      Files.writeString(PROC.resolve(process.pid() + "/clear_refs"), "5");
    } catch (IOException e) {
      throw new AssertionError("cannot reset the peak of " + process.name() + ": " + e, e);
    }
  }

  /** Waits until the process has at most this number of descriptors; fails at the timeout. */
  public static void awaitDescriptors(JarProcess process, int atMost, Duration timeout) {
    await()
        .atMost(timeout)
        .untilAsserted(() -> assertThat(of(process).descriptors()).isLessThanOrEqualTo(atMost));
  }

  /** The number of the next descriptor of the process but {@code skipped}. */
  public static int freeDescriptor(JarProcess process, int skipped) throws IOException {
    Path open = PROC.resolve(process.pid() + "/fd");
    int number = 0;
    for (int left = skipped; ; number++) {
      if (!Files.exists(open.resolve(Integer.toString(number)), LinkOption.NOFOLLOW_LINKS)
          && --left < 0) {
        return number;
      }
    }
  }

  private static long kilobytes(String status, String field) {
    Matcher matcher = Pattern.compile(field + ":\\s+(\\d+) kB").matcher(status);
    if (!matcher.find()) {
      throw new AssertionError("no " + field + " in " + status);
    }
    return Long.parseLong(matcher.group(1));
  }

  /**
   * utime and stime: the 12th and 13th field after the name, which is in parentheses and may
   * contain spaces.
   */
  private static long cpuMillis(String stat) {
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * MILLIS_PER_TICK;
  }

  private static List<String> threads(Path tasks) throws IOException {
    List<String> names = new ArrayList<>();
    for (Path task : list(tasks)) {
      try {
        names.add(Files.readString(task.resolve("comm")).trim());
      } catch (IOException ignored) {
        // The thread has ended.
      }
    }
    names.removeIf(name -> name.matches(COMPILER));
    names.sort(null);
    return names;
  }

  private static List<Path> list(Path directory) throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.toList();
    }
  }

  @Override
  public String toString() {
    return String.format(
        "rss=%dk peak=%dk descriptors=%d threads=%d cpu=%dms",
        residentKb, peakKb, descriptors, threads.size(), cpuMillis);
  }
}
