package io.c2crelay.server.accept;

import io.c2crelay.common.protocol.Preamble;

/** Where one classified connection goes. All methods run on its event loop. */
public interface ConnectionSink {
  /**
   * A user: add handlers for what it sends, which follows.
   *
   * @param silent nothing was received within the grace time, so that the connection may still
   *     prove to be an agent's; {@link #confirmed} or {@link #notAUser} follows unless it closes
   *     first
   */
  void user(boolean silent);

  /** A silent user is a user: a byte passed, one way or the other. */
  void confirmed();

  /** A silent user is an agent: take its handlers away; {@link #magic} follows. */
  void notAUser();

  /** The magic was received, so the connection is an agent's or a stranger's: bound it. */
  void magic();

  /** An agent: add handlers for what follows the preamble. */
  void agent(Preamble preamble);
}
