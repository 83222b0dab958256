package io.c2crelay.client.data;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.splice.Splice;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The agent's sessions, for its drain. Safe on any thread. */
public final class SessionTracker {
  private final Map<Channel, @Nullable Splice> sessions = new HashMap<>();
  private final Promise<Void> drained = GlobalEventExecutor.INSTANCE.newPromise();
  private boolean draining;
  private boolean aborted;

  /**
   * A session begins on a data connection, its target not dialled yet. On its loop.
   *
   * @return false if it may not: all sessions were aborted
   */
  synchronized boolean open(Channel data) {
    if (aborted) {
      return false;
    }
    sessions.put(data, null);
    data.closeFuture().addListener(closed -> maybeOver(data));
    return true;
  }

  /** The session of a data connection has its target. On its loop. */
  synchronized void joined(Channel data, Splice splice) {
    sessions.replace(data, splice); // unless it is over
  }

  /**
   * On the data connection's loop: forgets a session whose connection is closed and whose target
   * has all its bytes.
   */
  synchronized void maybeOver(Channel data) {
    Splice splice = sessions.get(data);
    if (!data.isOpen() && (splice == null || splice.isEnded())) {
      sessions.remove(data);
      endDrainIfDone();
    }
  }

  /** Sessions that there are now. */
  public synchronized int size() {
    return sessions.size();
  }

  /** Completes when no session is left. */
  public synchronized Future<Void> drain() {
    draining = true;
    endDrainIfDone();
    return drained;
  }

  /** Ends all sessions, and lets none begin any more. */
  public synchronized void abortAll(ReasonCode reason) {
    aborted = true;
    sessions.forEach(
        (data, splice) ->
            Sockets.run(
                data,
                () -> {
                  if (splice == null) {
                    Sockets.reset(data);
                  } else {
                    splice.abort(reason);
                  }
                }));
  }

  private void endDrainIfDone() {
    if (draining && sessions.isEmpty()) {
      drained.trySuccess(null);
    }
  }
}
