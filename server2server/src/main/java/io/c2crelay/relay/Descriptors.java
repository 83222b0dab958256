package io.c2crelay.relay;

import io.c2crelay.common.cli.DescriptorLimit;

/** The number of sessions that the file descriptor limit allows. */
final class Descriptors {
  private static final int MAX_SESSIONS = 4096;
  private static final int RESERVED = 512; // for everything but sessions
  private static final int PER_SESSION = 2;

  private Descriptors() {}

  /** The default of {@code --max-sessions}. */
  static int defaultMaxSessions() {
    return sessionsWithin(DescriptorLimit.get());
  }

  /** The number of sessions for a limit of {@code descriptors}, from 1 to 4096. */
  static int sessionsWithin(long descriptors) {
    return (int) Math.max(1, Math.min(MAX_SESSIONS, (descriptors - RESERVED) / PER_SESSION));
  }

  /** Whether a limit of {@code descriptors} allows {@code sessions} besides the reserve. */
  static boolean suffice(long descriptors, int sessions) {
    return (descriptors - RESERVED) / PER_SESSION >= sessions;
  }
}
