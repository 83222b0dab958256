package io.c2crelay.common.cli;

import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/** The limit of file descriptors of this process (getrlimit(2), RLIMIT_NOFILE). */
public final class DescriptorLimit {
  /** The JVM and the event loops use about 20, each session two. */
  private static final long MINIMUM = 64;

  private static final int MAX_SESSIONS = 4096;
  private static final int RESERVED = 512; // for everything but sessions
  private static final int PER_SESSION = 2;

  private DescriptorLimit() {}

  /** Returns the limit; {@link Long#MAX_VALUE} if it is unknown. */
  public static long get() {
    try {
      OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
      if (system instanceof com.sun.management.UnixOperatingSystemMXBean) {
        return ((com.sun.management.UnixOperatingSystemMXBean) system).getMaxFileDescriptorCount();
      }
    } catch (LinkageError e) { // a runtime without the module jdk.management
      return Long.MAX_VALUE;
    }
    return Long.MAX_VALUE; // Windows
  }

  static void check() throws StartupException {
    check(get());
  }

  static void check(long limit) throws StartupException {
    if (limit < MINIMUM) {
      throw new StartupException(
          "only "
              + limit
              + " file descriptors are allowed and at least "
              + MINIMUM
              + " are needed (ulimit -n, LimitNOFILE)");
    }
  }

  /** Returns the number of sessions within a limit of {@code descriptors}, from 1 to 4096. */
  public static int sessionsWithin(long descriptors) {
    return (int) Math.max(1, Math.min(MAX_SESSIONS, (descriptors - RESERVED) / PER_SESSION));
  }

  /** Returns whether a limit of {@code descriptors} allows {@code sessions}. */
  public static boolean suffices(long descriptors, int sessions) {
    return (descriptors - RESERVED) / PER_SESSION >= sessions;
  }
}
