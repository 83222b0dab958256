package io.c2crelay.agent.data;

import io.c2crelay.common.protocol.ReasonCode;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Set;

/** Tracks the agent's sessions for its drain. Safe on any thread. */
public final class SessionTracker {
  private final Set<Session> sessions = new HashSet<>();
  private final Promise<Void> drained = GlobalEventExecutor.INSTANCE.newPromise();
  private boolean draining;
  private boolean aborted;

  /**
   * Adds a session.
   *
   * @return false after {@link #abortAll}: no session may start
   */
  synchronized boolean tryOpen(Session session) {
    return !aborted && sessions.add(session);
  }

  /** Removes a session whose connections are closed. */
  synchronized void ended(Session session) {
    sessions.remove(session);
    completeDrainIfEmpty();
  }

  /** The number of sessions. */
  public synchronized int size() {
    return sessions.size();
  }

  /** Returns a future that completes when no session is left. */
  public synchronized Future<Void> drain() {
    draining = true;
    completeDrainIfEmpty();
    return drained;
  }

  /** Aborts all sessions and rejects new ones. */
  public synchronized void abortAll(ReasonCode reason) {
    aborted = true;
    new ArrayList<>(sessions).forEach(session -> session.abort(reason));
  }

  private void completeDrainIfEmpty() {
    if (draining && sessions.isEmpty()) {
      drained.trySuccess(null);
    }
  }
}
