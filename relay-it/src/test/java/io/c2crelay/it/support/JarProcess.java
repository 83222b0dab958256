package io.c2crelay.it.support;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A running jar: reads its output line by line into a file and, the newest lines, into memory;
 * sends signals; provides the exit code.
 */
public class JarProcess implements AutoCloseable {

  private static final int MAX_LINES = 50_000;
  private static final Duration STOP = Duration.ofSeconds(1);
  private static final Duration COUNTS_EVERY = Duration.ofMillis(1_200);

  /**
   * Output that fails a test, besides malformed log lines: a leaked or doubly released buffer, a
   * stack trace.
   */
  private static final Pattern FORBIDDEN =
      Pattern.compile("LEAK|IllegalReferenceCountException|^\\s+at [\\w.$/<>]+\\(");

  private static final Pattern GENERATION =
      Pattern.compile("generation\\s+total \\d+K, used (\\d+)K");
  private static final Pattern COUNTS = Pattern.compile("\\b(relay|agent)\\.stats ");

  private final String name;
  private final List<String> idleCounts;
  private final Process process;
  private final Writer file;
  private final Path path;
  private final List<LogLine> lines = new ArrayList<>(); // guarded by itself
  private final List<String> forbidden = new ArrayList<>(); // guarded by lines
  private int dropped; // guarded by lines: number of older lines, in the file only
  private LogLine counts; // guarded by lines
  private int openStreams = 2; // guarded by lines

  JarProcess(String name, Launch launch, Path path, String... idleCounts) {
    this.name = name;
    this.idleCounts = List.of(idleCounts);
    this.path = path;
    try {
      Files.createDirectories(path.getParent());
      file = Files.newBufferedWriter(path, StandardCharsets.UTF_8);
      file.write("$ " + String.join(" ", launch.command()) + "\n");
      process = launch.start();
    } catch (IOException e) {
      throw new AssertionError(name + " did not start: " + e.getMessage(), e);
    }
    Async.start(name + "-stdout", () -> read(process.getInputStream(), true));
    Async.start(name + "-stderr", () -> read(process.getErrorStream(), false));
  }

  private void read(InputStream stream, boolean stdout) {
    try (BufferedReader reader =
        new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        add(new LogLine(System.nanoTime(), stdout, line));
      }
    } catch (IOException ignored) {
      // Expected if the process was killed.
    } finally {
      synchronized (lines) {
        if (--openStreams == 0) {
          closeFile();
        }
        lines.notifyAll();
      }
    }
  }

  private void add(LogLine line) throws IOException {
    synchronized (lines) {
      if (lines.size() == MAX_LINES) {
        lines.subList(0, MAX_LINES / 2).clear();
        dropped += MAX_LINES / 2;
      }
      lines.add(line);
      if (line.matches(COUNTS)) {
        counts = line;
      } else if (line.matches(FORBIDDEN) || !line.isWellFormed()) {
        forbidden.add(name + ": " + line);
      }
      file.write(line + "\n");
      file.flush();
      lines.notifyAll();
    }
  }

  private void closeFile() {
    try {
      file.close();
    } catch (IOException e) {
      throw new AssertionError("cannot write " + path, e);
    }
  }

  public String name() {
    return name;
  }

  public long pid() {
    return process.pid();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** The number of lines so far, to match only later ones. */
  public int mark() {
    synchronized (lines) {
      return dropped + lines.size();
    }
  }

  public LogLine awaitLog(String regex, Duration timeout) {
    return awaitLog(0, regex, timeout);
  }

  /**
   * Waits for the first line from {@code mark} on that contains {@code regex}; fails at the timeout
   * or when the process ends.
   */
  public LogLine awaitLog(int mark, String regex, Duration timeout) {
    Pattern pattern = Pattern.compile(regex);
    long deadline = System.nanoTime() + timeout.toNanos();
    synchronized (lines) {
      for (int next = mark; ; ) {
        for (; next < dropped + lines.size(); next++) {
          next = Math.max(next, dropped);
          LogLine line = lines.get(next - dropped);
          if (line.matches(pattern)) {
            return line;
          }
        }
        long left = deadline - System.nanoTime();
        if (openStreams == 0 || left <= 0) {
          String why =
              openStreams == 0
                  ? "ended without printing "
                  : "did not print in " + timeout.toMillis() + " ms ";
          throw new AssertionError(name + " " + why + "/" + regex + "/\n" + tail(30));
        }
        try {
          lines.wait(Math.max(1, TimeUnit.NANOSECONDS.toMillis(left)));
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new AssertionError("interrupted while waiting for /" + regex + "/ of " + name, e);
        }
      }
    }
  }

  /**
   * Waits until the counters that the process logs at debug have these values, such as {@code
   * sessions=0}. Waits for more than a second: changes are logged once a second.
   */
  public LogLine awaitCounts(Duration timeout, String... expected) {
    long begin = System.nanoTime();
    while (true) {
      LogLine last = counts();
      long waited = System.nanoTime() - begin;
      if (last != null
          && waited > COUNTS_EVERY.toNanos()
          && List.of(last.text().split(" ")).containsAll(List.of(expected))) {
        return last;
      }
      if (waited > timeout.toNanos()) {
        throw new AssertionError(
            name + " does not have counters " + List.of(expected) + ": " + last + "\n" + tail(30));
      }
      pause();
    }
  }

  /**
   * Waits until the counters are at their idle values; {@code more} are further expected values.
   */
  public LogLine awaitIdle(Duration timeout, String... more) {
    List<String> expected = new ArrayList<>(idleCounts);
    expected.addAll(List.of(more));
    return awaitCounts(timeout, expected.toArray(String[]::new));
  }

  /** The last line of counters; null if there was none. */
  public LogLine counts() {
    synchronized (lines) {
      return counts;
    }
  }

  private void pause() {
    try {
      Thread.sleep(50);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  public List<LogLine> lines() {
    synchronized (lines) {
      return new ArrayList<>(lines);
    }
  }

  public List<LogLine> lines(String regex) {
    return lines(0, regex);
  }

  public List<LogLine> lines(int mark, String regex) {
    Pattern pattern = Pattern.compile(regex);
    synchronized (lines) {
      int from = Math.min(Math.max(0, mark - dropped), lines.size());
      return lines.subList(from, lines.size()).stream()
          .filter(line -> line.matches(pattern))
          .toList();
    }
  }

  public List<String> stdout() {
    return lines().stream().filter(LogLine::stdout).map(LogLine::text).toList();
  }

  public List<String> stderr() {
    return lines().stream().filter(line -> !line.stdout()).map(LogLine::text).toList();
  }

  /** The last {@code count} lines, under a title. */
  public String tail(int count) {
    List<LogLine> all = lines();
    String state = process.isAlive() ? "running" : "exit code " + process.exitValue();
    return "---- last lines of "
        + name
        + " ("
        + state
        + ", all in "
        + path
        + ")\n"
        + all.subList(Math.max(0, all.size() - count), all.size()).stream()
            .map(LogLine::toString)
            .collect(Collectors.joining("\n"))
        + "\n----";
  }

  /** The forbidden lines since the last call. */
  List<String> forbiddenLines() {
    synchronized (lines) {
      List<String> found = List.copyOf(forbidden);
      forbidden.clear();
      return found;
    }
  }

  /**
   * Sends SIGTERM through the handle: {@link Process#destroy()} would close the streams and lose
   * the last output.
   */
  public void terminate() {
    process.toHandle().destroy();
  }

  /** Sends SIGINT, which the process must not have inherited as ignored. */
  public void interrupt() {
    signal("INT");
  }

  /** Sends SIGHUP. */
  public void hangUp() {
    signal("HUP");
  }

  /** Sends SIGSTOP. */
  public void freeze() {
    signal("STOP");
  }

  /** Sends SIGCONT. */
  public void thaw() {
    signal("CONT");
  }

  /** Sends SIGKILL and waits for the exit. */
  public void kill() {
    process.toHandle().destroyForcibly();
    awaitExit(Duration.ofSeconds(10));
  }

  /** Sends a signal, by its name without SIG. */
  public void signal(String signal) {
    Command.check("kill", "-" + signal, Long.toString(process.pid()));
  }

  /** Waits until the process has exited and all output was read; returns the exit code. */
  public int awaitExit(Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    try {
      if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
        throw new AssertionError(
            name + " did not end in " + timeout.toMillis() + " ms\n" + tail(30));
      }
      synchronized (lines) {
        while (openStreams > 0 && deadline - System.nanoTime() > 0) {
          lines.wait(10);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for the end of " + name, e);
    }
    return process.exitValue();
  }

  /**
   * Runs a garbage collection, so that Netty reports leaks at the next allocation. Does nothing
   * without {@code jcmd}.
   */
  public void collectGarbage() {
    jcmd("GC.run");
  }

  /**
   * The live heap after a collection, in kilobytes; 0 without {@code jcmd}. Serial collector only.
   */
  public long liveHeapKb() {
    collectGarbage();
    Matcher generation = GENERATION.matcher(jcmd("GC.heap_info"));
    long used = 0;
    while (generation.find()) {
      used += Long.parseLong(generation.group(1));
    }
    return used;
  }

  /** Returns freed native memory to the system, where C library and JVM support it. */
  public void trimNativeHeap() {
    jcmd("System.trim_native_heap");
  }

  private String jcmd(String operation) {
    Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
    if (!process.isAlive() || !Files.isExecutable(jcmd)) {
      return "";
    }
    return Command.run(jcmd.toString(), Long.toString(process.pid()), operation).output();
  }

  /** Sends SIGTERM, twice if necessary, then SIGKILL; returns when all output was read. */
  @Override
  public void close() {
    try {
      for (int i = 0; i < 2 && process.isAlive(); i++) {
        terminate();
        process.waitFor(STOP.toMillis(), TimeUnit.MILLISECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (process.isAlive()) {
      kill();
    } else {
      awaitExit(STOP);
    }
  }
}
