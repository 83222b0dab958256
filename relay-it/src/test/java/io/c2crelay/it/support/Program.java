package io.c2crelay.it.support;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A program of the operating system that runs during a test, such as a load balancer. */
public final class Program implements AutoCloseable {
  private static final Duration START = Duration.ofSeconds(20);
  private static final Duration RUN = Duration.ofSeconds(60);
  private static final Duration STOP = Duration.ofSeconds(5);

  private final String name;
  private final Process process;
  private final Path log;

  private Program(String name, Process process, Path log) {
    this.name = name;
    this.process = process;
    this.log = log;
  }

  public static boolean isInstalled(String name) {
    return find(name) != null;
  }

  /** Skips the test where a program is not installed. */
  public static void assumeInstalled(String name) {
    assumeTrue(isInstalled(name), name + " is not installed");
  }

  /** The output of a program, which must succeed within a minute. */
  public static String output(String... command) throws Exception {
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    process.getOutputStream().close();
    Async<String> output =
        Async.run(() -> new String(process.getInputStream().readAllBytes(), UTF_8));
    try {
      assertThat(process.waitFor(RUN.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).isZero();
      return output.get(RUN);
    } finally {
      process.destroyForcibly();
    }
  }

  /** Starts a program in the foreground; skips the test where it is not installed. */
  public static Program start(Path directory, String name, String... arguments) {
    assumeInstalled(name);
    List<String> command = new ArrayList<>(List.of(String.valueOf(find(name))));
    command.addAll(List.of(arguments));
    Path log = directory.resolve(name + ".log");
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      process.getOutputStream().close();
      return new Program(name, process, log);
    } catch (IOException e) {
      throw new AssertionError(name + " does not start", e);
    }
  }

  private static @Nullable Path find(String name) {
    return Stream.of(System.getenv("PATH").split(":"), new String[] {"/usr/sbin", "/sbin"})
        .flatMap(Stream::of)
        .map(directory -> Path.of(directory, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElse(null);
  }

  /** Waits until it accepts connections on a port of this host. */
  public Program awaitListening(int port) {
    await()
        .atMost(START)
        .pollInterval(Duration.ofMillis(50))
        .untilAsserted(
            () -> {
              assertThat(process.isAlive()).as(name + ": " + log()).isTrue();
              assertThat(Ports.isListening(port)).as(name + ": " + log()).isTrue();
            });
    return this;
  }

  /** The output so far. */
  public String log() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** Kills the program, which simulates a failed machine. */
  public void kill() {
    process.destroyForcibly();
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(STOP.toMillis(), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
