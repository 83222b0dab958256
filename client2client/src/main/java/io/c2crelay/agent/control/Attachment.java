package io.c2crelay.agent.control;

import io.netty.util.concurrent.Future;

/** Keeps the agent attached for one service, to one relay or to several. Safe on any thread. */
public interface Attachment {
  /** Starts to attach. */
  void start();

  /**
   * Sends GOAWAY and stops attaching.
   *
   * @return completes when no new session can start
   */
  Future<Void> drain();

  /** Closes the control connections, after {@link #drain}. Running sessions continue. */
  void close();
}
