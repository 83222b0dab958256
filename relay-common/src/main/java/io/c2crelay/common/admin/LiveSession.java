package io.c2crelay.common.admin;

import io.c2crelay.common.protocol.ServiceName;
import java.net.InetSocketAddress;

/** A session as the log and the status show it. Compared by identity. Safe on any thread. */
public interface LiveSession {
  /** The id assigned by the relay. */
  long id();

  ServiceName service();

  InetSocketAddress user();

  /** On the relay, the agent's name in the log; on the agent, the relay. */
  String peer();

  /** The time since the session opened. */
  long ageNanos();

  /** Bytes received for the target. May be stale outside the session's event loop. */
  long upBytes();

  /** Bytes received for the user; may be stale like {@link #upBytes}. */
  long downBytes();
}
