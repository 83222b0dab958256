package io.c2crelay.server;

import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/** How many sessions the file descriptors of this process allow. */
final class Descriptors {
  private static final int MOST = 4096;
  private static final int RESERVED = 512;

  private Descriptors() {}

  /** The default of {@code --max-sessions}. */
  static int defaultMaxSessions() {
    return sessionsWithin(limit());
  }

  /** Two descriptors per session, after a reserve for everything else; from 1 to 4096. */
  static int sessionsWithin(long descriptors) {
    return (int) Math.max(1, Math.min(MOST, (descriptors - RESERVED) / 2));
  }

  private static long limit() {
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
}
