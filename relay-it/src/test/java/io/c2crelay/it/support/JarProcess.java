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
 * A running jar: its two streams line by line, in memory (the newest) and in a file; its signals;
 * its exit code.
 */
public class JarProcess implements AutoCloseable {

  private static final int MAX_LINES = 50_000;
  private static final Duration STOP = Duration.ofSeconds(1);
  private static final Duration COUNTS_EVERY = Duration.ofMillis(1_200);

  /**
   * What no process may ever print, besides lines of a wrong form: a leaked or twice released
   * buffer, a stack trace.
   */
  private static final Pattern FORBIDDEN =
      Pattern.compile("LEAK|IllegalReferenceCountException|^\\s+at [\\w.$/<>]+\\(");

  private static final Pattern GENERATION =
      Pattern.compile("generation\\s+total \\d+K, used (\\d+)K");
  private static final Pattern COUNTS = Pattern.compile("\\b(relay|agent)\\.counts ");

  private final String name;
  private final Process process;
  private final Writer file;
  private final Path path;
  private final List<LogLine> lines = new ArrayList<>(); // guarded by itself
  private final List<String> forbidden = new ArrayList<>(); // guarded by lines
  private int forgotten; // guarded by lines: so many older ones are only in the file
  private LogLine counts; // guarded by lines: the newest
  private int openStreams = 2; // guarded by lines

  JarProcess(String name, Launch launch, Path path) {
    this.name = name;
    this.path = path;
    try {
      Files.createDirectories(path.getParent());
      file = Files.newBufferedWriter(path, StandardCharsets.UTF_8);
      file.write("$ " + String.join(" ", launch.command()) + "\n");
      process = launch.start();
    } catch (IOException e) {
      throw new AssertionError(name + " did not start: " + e.getMessage(), e);
    }
    read(process.getInputStream(), true);
    read(process.getErrorStream(), false);
  }

  private void read(InputStream stream, boolean stdout) {
    Thread thread =
        new Thread(
            () -> {
              try (BufferedReader reader =
                  new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                  add(new LogLine(System.nanoTime(), stdout, line));
                }
              } catch (IOException expectedWhenKilled) {
                // The stream of a killed process may end like this.
              } finally {
                synchronized (lines) {
                  if (--openStreams == 0) {
                    closeFile();
                  }
                  lines.notifyAll();
                }
              }
            },
            name + (stdout ? "-stdout" : "-stderr"));
    thread.setDaemon(true);
    thread.start();
  }

  private void add(LogLine line) throws IOException {
    synchronized (lines) {
      if (lines.size() == MAX_LINES) {
        lines.subList(0, MAX_LINES / 2).clear();
        forgotten += MAX_LINES / 2;
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

  /** How many lines there are by now: what comes later is after this mark. */
  public int mark() {
    synchronized (lines) {
      return forgotten + lines.size();
    }
  }

  public LogLine awaitLog(String regex, Duration timeout) {
    return awaitLog(0, regex, timeout);
  }

  /**
   * The first line from {@code mark} on in which {@code regex} is found; fails at the timeout or
   * when the process ends without it.
   */
  public LogLine awaitLog(int mark, String regex, Duration timeout) {
    Pattern pattern = Pattern.compile(regex);
    long deadline = System.nanoTime() + timeout.toNanos();
    synchronized (lines) {
      for (int next = mark; ; ) {
        for (; next < forgotten + lines.size(); next++) {
          next = Math.max(next, forgotten);
          LogLine line = lines.get(next - forgotten);
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
   * Waits until the counts that the process logs at debug are these ({@code sessions=0}, say), at
   * least a second from now: they are logged once a second, when they have changed.
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
            name + " counts otherwise than " + List.of(expected) + ": " + last + "\n" + tail(30));
      }
      pause();
    }
  }

  /** The newest line of counts; null if there was none. */
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
      int from = Math.min(Math.max(0, mark - forgotten), lines.size());
      return lines.subList(from, lines.size()).stream()
          .filter(line -> line.matches(pattern))
          .collect(Collectors.toList());
    }
  }

  public List<String> stdout() {
    return lines().stream().filter(LogLine::stdout).map(LogLine::text).collect(Collectors.toList());
  }

  public List<String> stderr() {
    return lines().stream()
        .filter(line -> !line.stdout())
        .map(LogLine::text)
        .collect(Collectors.toList());
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

  /** Lines that no process may print, since the last call. */
  List<String> forbiddenLines() {
    synchronized (lines) {
      List<String> found = List.copyOf(forbidden);
      forbidden.clear();
      return found;
    }
  }

  /**
   * SIGTERM. By the handle: {@link Process#destroy()} would close our end of its streams, and with
   * it its last words.
   */
  public void terminate() {
    process.toHandle().destroy();
  }

  /** SIGINT: the process must have been started where SIGINT is not ignored. */
  public void interrupt() {
    signal("INT");
  }

  /** SIGSTOP. */
  public void freeze() {
    signal("STOP");
  }

  /** SIGCONT. */
  public void thaw() {
    signal("CONT");
  }

  /** SIGKILL, and waits until the process is gone. */
  public void kill() {
    process.toHandle().destroyForcibly();
    awaitExit(Duration.ofSeconds(10));
  }

  private void signal(String signal) {
    try {
      Process kill =
          new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
              .inheritIO()
              .start();
      if (!kill.waitFor(10, TimeUnit.SECONDS) || kill.exitValue() != 0) {
        throw new AssertionError("kill -" + signal + " of " + name + " failed");
      }
    } catch (IOException e) {
      throw new AssertionError("kill -" + signal + " of " + name + " failed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /** The exit code, once the process has ended and all it printed has been read. */
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
   * Lets a leak show itself: a collection, after which Netty's next allocation reports. Does
   * nothing without {@code jcmd}.
   */
  public void collectGarbage() {
    jcmd("GC.run");
  }

  /**
   * What is alive on the heap, after a collection, in kilobytes; 0 without {@code jcmd}. For the
   * serial collector.
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

  /** Memory that was freed goes back to the system, where the C library and Java can do so. */
  public void trimNativeHeap() {
    jcmd("System.trim_native_heap");
  }

  private String jcmd(String what) {
    Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
    if (!process.isAlive() || !Files.isExecutable(jcmd)) {
      return "";
    }
    try {
      Process command =
          new ProcessBuilder(jcmd.toString(), Long.toString(process.pid()), what)
              .redirectErrorStream(true)
              .start();
      command.getOutputStream().close();
      Async<String> answer =
          Async.run(
              () -> new String(command.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
      if (!command.waitFor(10, TimeUnit.SECONDS)) {
        command.destroyForcibly();
      }
      return answer.get(STOP);
    } catch (IOException e) {
      throw new AssertionError("jcmd of " + name, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /**
   * SIGTERM, and once more where that was not enough, then SIGKILL; returns when all it printed has
   * been read.
   */
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
