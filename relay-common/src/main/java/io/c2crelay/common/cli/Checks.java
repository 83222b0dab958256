package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.netty.util.internal.PlatformDependent;
import java.time.Duration;

/**
 * Configuration checks and bounds that both commands share. A check returns its value or throws an
 * {@link IllegalArgumentException} that names the option and its bounds but never repeats the
 * value.
 */
public final class Checks {
  /** The default time limit for running sessions after a stop signal. */
  public static final Duration DEFAULT_DRAIN = Duration.ofSeconds(30);

  private static final Duration MAX_DRAIN = Duration.ofHours(24);
  private static final long MIN_SESSION_MEMORY = Sizes.parse("64k");
  private static final long MAX_SESSION_MEMORY = Sizes.parse("1024g");
  private static final int MAX_THREADS = 256;

  private Checks() {}

  /** Requires a number from {@code min} to {@code max}. */
  public static int range(String name, int value, int min, int max) {
    require(value >= min && value <= max, name + " must be from " + min + " to " + max);
    return value;
  }

  /** Requires a duration from {@code min} to {@code max}. */
  public static Duration range(String name, Duration value, Duration min, Duration max) {
    requireNonNull(value, name);
    require(
        value.compareTo(min) >= 0 && value.compareTo(max) <= 0,
        name + " must be from " + Durations.format(min) + " to " + Durations.format(max));
    return value;
  }

  /** Requires a duration from {@code min} to {@code max}, or zero, which is "off". */
  public static Duration rangeOrOff(String name, Duration value, Duration min, Duration max) {
    requireNonNull(value, name);
    require(
        value.isZero() || (value.compareTo(min) >= 0 && value.compareTo(max) <= 0),
        name
            + " must be from "
            + Durations.format(min)
            + " to "
            + Durations.format(max)
            + ", or off");
    return value;
  }

  /** Checks {@code --drain}; zero ends running sessions at once. */
  public static Duration drain(Duration value) {
    return range("--drain", value, Duration.ZERO, MAX_DRAIN);
  }

  /** Checks {@code --session-memory}, in bytes. */
  public static long sessionMemory(long bytes) {
    require(
        bytes >= MIN_SESSION_MEMORY && bytes <= MAX_SESSION_MEMORY,
        "--session-memory must be from "
            + Sizes.format(MIN_SESSION_MEMORY)
            + " to "
            + Sizes.format(MAX_SESSION_MEMORY));
    return bytes;
  }

  /** Returns half of the JVM's direct memory limit, in whole MiB if it is at least 1 MiB. */
  public static long defaultSessionMemory() {
    long half = PlatformDependent.maxDirectMemory() / 2;
    long mebibyte = 1 << 20;
    return Math.min(
        MAX_SESSION_MEMORY,
        Math.max(MIN_SESSION_MEMORY, half >= mebibyte ? half - half % mebibyte : half));
  }

  /** Checks {@code --threads} and returns the number of event loops: one per core for 0. */
  public static int threads(int value) {
    range("--threads", value, 0, MAX_THREADS);
    return value == 0 ? Runtime.getRuntime().availableProcessors() : value;
  }

  /**
   * Checks the syntax of a host name or IP address and removes brackets around an IPv6 address.
   * Does not resolve it.
   */
  public static String host(String name, String text) {
    requireNonNull(text, name);
    boolean bracketed = text.length() > 2 && text.startsWith("[") && text.endsWith("]");
    String host = bracketed ? text.substring(1, text.length() - 1) : text;
    boolean charactersValid =
        !host.isEmpty()
            && host.length() <= 255
            && host.chars().allMatch(c -> c > ' ' && c != 0x7F && "/@[]?#\"'\\".indexOf(c) < 0);
    boolean bracketsValid =
        bracketed == host.contains(":") || host.indexOf(':') != host.lastIndexOf(':');
    require(charactersValid && bracketsValid, name + " must be a host name or an IP address");
    return host;
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }
}
