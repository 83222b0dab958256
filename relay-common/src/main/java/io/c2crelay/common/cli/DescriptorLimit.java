package io.c2crelay.common.cli;

import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/** The limit of file descriptors of this process (getrlimit(2), RLIMIT_NOFILE). */
public final class DescriptorLimit {
  /** The JVM and the event loops use about 20, each session two. */
  private static final long MINIMUM = 64;

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
}
