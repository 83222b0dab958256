package io.c2crelay.relay.address;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The networks that agents connect from: the relay waits longer for their preambles. Safe on any
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

  /**
   * Networks of late preambles, which unauthenticated peers can send, and until when they count.
   */
  private final Map<ClientNetwork, Long> lateUntilNanos =
      new LinkedHashMap<ClientNetwork, Long>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ClientNetwork, Long> eldest) {
          return size() > MAX_NETWORKS;
        }
      };

  /** Least recently accessed first. */
  private final Map<ClientNetwork, Presence> presences = new LinkedHashMap<>(16, 0.75f, true);

  /** An agent's control connection from the network was authenticated. */
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

  /** A preamble from the network was late, as behind a proxy: the next one may be late too. */
  public synchronized void late(ClientNetwork network, long nowNanos) {
    lateUntilNanos.put(network, nowNanos + LATE_NANOS);
  }

  /** A control connection from the network ended. */
  public synchronized void detached(ClientNetwork network, long nowNanos) {
    Presence presence = presences.get(network);
    if (presence != null) {
      presence.attached--;
      presence.lastSeenNanos = nowNanos;
    }
  }

  /** Tokens were sent to the network (positive), or were used, failed or expired (negative). */
  public synchronized void tokens(ClientNetwork network, int change) {
    Presence presence = presences.get(network);
    if (presence != null) {
      presence.tokens += change;
    }
  }

  /** Whether an agent is attached from the network. */
  public synchronized boolean isAttached(ClientNetwork network) {
    Presence presence = presences.get(network);
    return presence != null && presence.attached > 0;
  }

  /**
   * Whether a connection from the network is probably an agent's: tokens are outstanding there, an
   * agent was attached within 24 h but none is now, or a preamble was late.
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
