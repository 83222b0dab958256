package io.c2crelay.server.session;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Where agents come from: what lets the relay wait a little longer for a preamble there, and keeps
 * it from taking an agent's late dial for user after user. Only authenticated agents add to it.
 * Safe on any thread.
 */
public final class AgentAddresses {
  private static final long REMEMBERED_NANOS = TimeUnit.HOURS.toNanos(24);
  private static final int MAX_SOURCES = 1024;

  private static final class Presence {
    int attached;
    int tokens;
    long lastSeenNanos;
  }

  /** Least recently asked about first. */
  private final Map<Source, Presence> presences = new LinkedHashMap<>(16, 0.75f, true);

  /** An agent's control connection from there was authenticated. */
  public synchronized void attached(Source source, long nowNanos) {
    Presence presence = presences.computeIfAbsent(source, s -> new Presence());
    presence.attached++;
    presence.lastSeenNanos = nowNanos;
    if (presences.size() > MAX_SOURCES) {
      forgetOne();
    }
  }

  private void forgetOne() {
    Iterator<Presence> all = presences.values().iterator();
    while (all.hasNext()) {
      if (all.next().attached == 0) {
        all.remove();
        return;
      }
    }
  }

  /** A control connection from there ended. */
  public synchronized void detached(Source source, long nowNanos) {
    Presence presence = presences.get(source);
    if (presence != null) {
      presence.attached--;
      presence.lastSeenNanos = nowNanos;
    }
  }

  /** Tokens were sent there (positive), or used, failed or expired (negative). */
  public synchronized void tokens(Source source, int change) {
    Presence presence = presences.get(source);
    if (presence != null) {
      presence.tokens += change;
    }
  }

  /** Whether an agent is attached from there. */
  public synchronized boolean isAttached(Source source) {
    Presence presence = presences.get(source);
    return presence != null && presence.attached > 0;
  }

  /**
   * Whether a connection from there may well be an agent's: one authenticated from there within a
   * day and has a dial to make or no control connection now.
   */
  public synchronized boolean isExpected(Source source, long nowNanos) {
    @Nullable Presence presence = presences.get(source);
    return presence != null
        && (presence.tokens > 0
            || (presence.attached == 0 && nowNanos - presence.lastSeenNanos < REMEMBERED_NANOS));
  }
}
