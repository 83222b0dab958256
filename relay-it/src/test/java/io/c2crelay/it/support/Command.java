package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * The result of a short command of the operating system.
 *
 * @param output standard output and standard error
 */
public record Command(boolean succeeded, String output) {

  private static final Duration TIMEOUT = Duration.ofSeconds(20);

  /** Runs a command. It has failed if it is absent or does not end within 20 s. */
  public static Command run(String... command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      Async<String> output =
          Async.run(
              () -> new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
      boolean ended = process.waitFor(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        process.destroyForcibly();
      }
      return new Command(ended && process.exitValue() == 0, output.get(TIMEOUT));
    } catch (IOException absent) {
      return new Command(false, absent.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /**
   * Runs a command that must succeed.
   *
   * @throws IllegalStateException if it fails
   */
  static void check(String... command) {
    Command result = run(command);
    if (!result.succeeded()) {
      throw new IllegalStateException(String.join(" ", command) + ": " + result.output());
    }
  }
}
