package io.c2crelay.server.accept;

import io.c2crelay.common.protocol.Preamble;
import io.netty.channel.socket.SocketChannel;

/** Where classified connections go. All methods run on the connection's event loop. */
public interface ConnectionSink {
  /**
   * A user: add handlers for what it sends, which follows.
   *
   * @param silent nothing was received within the grace time, so that the connection may still
   *     prove to be an agent's; {@link #confirmed} or {@link #notAUser} follows unless it closes
   *     first
   */
  void user(SocketChannel channel, boolean silent);

  /** A silent user is a user: a byte passed, one way or the other. */
  void confirmed(SocketChannel channel);

  /** A silent user is an agent: take its handlers away; {@link #agent} may follow. */
  void notAUser(SocketChannel channel);

  /** An agent: add handlers for what follows the preamble. */
  void agent(SocketChannel channel, Preamble preamble);
}
