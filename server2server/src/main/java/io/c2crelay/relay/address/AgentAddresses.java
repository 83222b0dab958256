package io.c2crelay.relay.address;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Where agents connect from: for such networks the relay waits longer for a preamble. Safe on any
 * thread.
 */
public final class AgentAddresses {
  private static final long REMEMBERED_NANOS = TimeUnit.HOURS.toNanos(24);
  private static final long LATE_NANOS = TimeUnit.MINUTES.toNanos(1);
  private static final int MAX_NETWORKS = 1024;

  private static final class Presence {
    int attached;
    int tokens;
    long lastSeenNanos;
  }

  /** Networks of late preambles, which anybody can send, and until when they are expected. */
  private final Map<ClientNetwork, Long> lateUntilNanos =
      new LinkedHashMap<ClientNetwork, Long>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ClientNetwork, Long> eldest) {
          return size() > MAX_NETWORKS;
        }
      };

  /** Least recently asked about first. */
  private final Map<ClientNetwork, Presence> presences = new LinkedHashMap<>(16, 0.75f, true);

  /** An agent's control connection from there was authenticated. */
  public synchronized void attached(ClientNetwork network, long nowNanos) {
    Presence presence = presences.computeIfAbsent(network, s -> new Presence());
    presence.attached++;
    presence.lastSeenNanos = nowNanos;
    if (presences.size() > MAX_NETWORKS) {
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

  /** An agent's preamble from there was late, as behind a proxy: the next may be as late. */
  public synchronized void late(ClientNetwork network, long nowNanos) {
    lateUntilNanos.put(network, nowNanos + LATE_NANOS);
  }

  /** A control connection from there ended. */
  public synchronized void detached(ClientNetwork network, long nowNanos) {
    Presence presence = presences.get(network);
    if (presence != null) {
      presence.attached--;
      presence.lastSeenNanos = nowNanos;
    }
  }

  /** Tokens were sent there (positive), or used, failed or expired (negative). */
  public synchronized void tokens(ClientNetwork network, int change) {
    Presence presence = presences.get(network);
    if (presence != null) {
      presence.tokens += change;
    }
  }

  /** Whether an agent is attached from there. */
  public synchronized boolean isAttached(ClientNetwork network) {
    Presence presence = presences.get(network);
    return presence != null && presence.attached > 0;
  }

  /**
   * Whether a connection from there may well be an agent's: one authenticated from there within a
   * day and has a dial to make or no control connection now, or a preamble was late.
   */
  public synchronized boolean isExpected(ClientNetwork network, long nowNanos) {
    Long lateUntil = lateUntilNanos.get(network);
    if (lateUntil != null && nowNanos - lateUntil < 0) {
      return true;
    }
    Presence presence = presences.get(network);
    return presence != null
        && (presence.tokens > 0
            || (presence.attached == 0 && nowNanos - presence.lastSeenNanos < REMEMBERED_NANOS));
  }
}
