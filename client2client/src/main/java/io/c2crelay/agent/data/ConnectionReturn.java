package io.c2crelay.agent.data;

import io.netty.channel.Channel;

/** Takes data connections back after their sessions. On the connection's event loop. */
interface ConnectionReturn {
  /** Whether connections are kept: not while the agent detaches, or is detached. */
  boolean isOpen();

  /** Takes back a connection that can carry another session. */
  void takeBack(Channel data);
}
