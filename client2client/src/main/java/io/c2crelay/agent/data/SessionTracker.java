package io.c2crelay.agent.data;

import io.c2crelay.common.bridge.Bridge;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Tracks the agent's sessions for its drain. Safe on any thread. */
public final class SessionTracker {
  private final Map<Channel, @Nullable Bridge> sessions = new HashMap<>();
  private final Promise<Void> drained = GlobalEventExecutor.INSTANCE.newPromise();
  private boolean draining;
  private boolean aborted;

  /**
   * Adds a session whose target is not connected yet. On the data connection's event loop.
   *
   * @return false if no session may start, because all were aborted
   */
  synchronized boolean tryOpen(Channel data) {
    if (aborted) {
      return false;
    }
    sessions.put(data, null);
    data.closeFuture().addListener(closed -> removeIfEnded(data));
    return true;
  }

  /** Sets the bridge of a session. On the data connection's event loop. */
  synchronized void joined(Channel data, Bridge bridge) {
    sessions.replace(data, bridge); // unless it has ended
  }

  /**
   * Removes a session whose data connection is closed and whose bridge, if any, has ended. On the
   * data connection's event loop.
   */
  synchronized void removeIfEnded(Channel data) {
    Bridge bridge = sessions.get(data);
    if (!data.isOpen() && (bridge == null || bridge.isEnded())) {
      sessions.remove(data);
      completeDrainIfEmpty();
    }
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
    sessions.keySet().forEach(data -> Sockets.run(data, () -> abort(data, reason)));
  }

  private void abort(Channel data, ReasonCode reason) {
    Bridge bridge = bridgeOf(data);
    if (bridge == null) {
      Sockets.reset(data);
    } else {
      bridge.abort(reason);
    }
  }

  private synchronized @Nullable Bridge bridgeOf(Channel data) {
    return sessions.get(data);
  }

  private void completeDrainIfEmpty() {
    if (draining && sessions.isEmpty()) {
      drained.trySuccess(null);
    }
  }
}
