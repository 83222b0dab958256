package io.c2crelay.server;

import io.c2crelay.common.cli.DescriptorLimit;

/** How many sessions the file descriptors of this process allow. */
final class Descriptors {
  private static final int MOST = 4096;
  private static final int RESERVED = 512;
  private static final int PER_SESSION = 2;

  private Descriptors() {}

  /** The default of {@code --max-sessions}. */
  static int defaultMaxSessions() {
    return sessionsWithin(DescriptorLimit.get());
  }

  /** Two descriptors per session, after a reserve for everything else; from 1 to 4096. */
  static int sessionsWithin(long descriptors) {
    return (int) Math.max(1, Math.min(MOST, (descriptors - RESERVED) / PER_SESSION));
  }

  /** Whether so many sessions leave that reserve. */
  static boolean suffice(long descriptors, int sessions) {
    return (descriptors - RESERVED) / PER_SESSION >= sessions;
  }
}
