package io.c2crelay.common.cli;

import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/** How many file descriptors this process may have. */
public final class DescriptorLimit {
  /** The JVM and the event loops take some 20 of them, each session two. */
  private static final long FEWEST = 64;

  private DescriptorLimit() {}

  /** The limit, or {@link Long#MAX_VALUE} where there is none to be known. */
  public static long get() {
    try {
      OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
      if (system instanceof com.sun.management.UnixOperatingSystemMXBean) {
        return ((com.sun.management.UnixOperatingSystemMXBean) system).getMaxFileDescriptorCount();
      }
    } catch (LinkageError e) { // a runtime cut down to fewer modules
      return Long.MAX_VALUE;
    }
    return Long.MAX_VALUE; // Windows
  }

  static void check() throws StartupException {
    check(get());
  }

  static void check(long limit) throws StartupException {
    if (limit < FEWEST) {
      throw new StartupException(
          "only "
              + limit
              + " file descriptors are allowed and at least "
              + FEWEST
              + " are needed (ulimit -n, LimitNOFILE)");
    }
  }
}
