package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.netty.util.internal.PlatformDependent;
import java.time.Duration;

/**
 * The checks that configurations share, and the bounds of what both commands have. Each check
 * returns its value or throws an {@link IllegalArgumentException} that names the option and what it
 * allows, and never repeats the value.
 */
public final class Limits {
  /** How long running sessions may go on after a stop signal, unless told otherwise. */
  public static final Duration DEFAULT_DRAIN = Duration.ofSeconds(30);

  private static final Duration MAX_DRAIN = Duration.ofHours(24);
  private static final long MIN_SESSION_MEMORY = Sizes.parse("64k");
  private static final long MAX_SESSION_MEMORY = Sizes.parse("1024g");
  private static final int MAX_THREADS = 256;

  private Limits() {}

  /** A number from {@code min} to {@code max}. */
  public static int range(String name, int value, int min, int max) {
    require(value >= min && value <= max, name + " must be from " + min + " to " + max);
    return value;
  }

  /** A duration from {@code min} to {@code max}. */
  public static Duration range(String name, Duration value, Duration min, Duration max) {
    requireNonNull(value, name);
    require(
        value.compareTo(min) >= 0 && value.compareTo(max) <= 0,
        name + " must be from " + Durations.format(min) + " to " + Durations.format(max));
    return value;
  }

  /** A duration from {@code min} to {@code max}, or zero, which is "off". */
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

  /** How long to drain; zero ends running sessions at once. */
  public static Duration drain(Duration value) {
    return range("--drain", value, Duration.ZERO, MAX_DRAIN);
  }

  /** What all sessions together may buffer, in bytes. */
  public static long sessionMemory(long bytes) {
    require(
        bytes >= MIN_SESSION_MEMORY && bytes <= MAX_SESSION_MEMORY,
        "--session-memory must be from "
            + Sizes.format(MIN_SESSION_MEMORY)
            + " to "
            + Sizes.format(MAX_SESSION_MEMORY));
    return bytes;
  }

  /** Half of the direct memory this JVM may use, in whole mebibytes where it has that much. */
  public static long defaultSessionMemory() {
    long half = PlatformDependent.maxDirectMemory() / 2;
    long mebibyte = 1 << 20;
    return Math.min(
        MAX_SESSION_MEMORY,
        Math.max(MIN_SESSION_MEMORY, half >= mebibyte ? half - half % mebibyte : half));
  }

  /** How many event loops: as given, or one per core for 0. */
  public static int threads(int value) {
    range("--threads", value, 0, MAX_THREADS);
    return value == 0 ? Runtime.getRuntime().availableProcessors() : value;
  }

  /**
   * A host name or address in a form a resolver can take; brackets around an IPv6 address are
   * removed. Whether it exists is for the resolver to say.
   */
  public static String host(String name, String text) {
    requireNonNull(text, name);
    boolean bracketed = text.length() > 2 && text.startsWith("[") && text.endsWith("]");
    String host = bracketed ? text.substring(1, text.length() - 1) : text;
    boolean plausible =
        !host.isEmpty()
            && host.length() <= 255
            && host.chars().allMatch(c -> c > ' ' && c != 0x7F && "/@[]?#\"'\\".indexOf(c) < 0);
    boolean colonsInPlace =
        bracketed == host.contains(":") || host.indexOf(':') != host.lastIndexOf(':');
    require(plausible && colonsInPlace, name + " must be a host name or an IP address");
    return host;
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }
}
