package io.c2crelay.relay.listen;

import io.c2crelay.common.protocol.Preamble;

/** Receives the classification of one connection. All methods run on its event loop. */
public interface ConnectionRouter {
  /**
   * A user: add handlers for its bytes, which follow.
   *
   * @param silent nothing was received within the detection timeout; {@link #confirmed} or {@link
   *     #misclassified} follows unless the connection closes first
   */
  void user(boolean silent);

  /** A byte passed to or from a silent user. */
  void confirmed();

  /** A silent user was an agent's connection: reset it. The agent dials again. */
  void misclassified();

  /** The magic was received, and the peer is not authenticated yet: bound the connection. */
  void magic();

  /**
   * An agent that begins with TLS: add handlers for its ClientHello, which follows, and for the
   * preamble inside; bound the connection.
   */
  void tlsFirst();

  /** The preamble is invalid: the connection is closed. */
  void invalidPreamble();

  /** An agent: add handlers for the bytes after the preamble. */
  void agent(Preamble preamble);
}
