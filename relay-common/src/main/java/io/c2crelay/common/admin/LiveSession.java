package io.c2crelay.common.admin;

import io.c2crelay.common.protocol.ServiceName;
import java.net.InetSocketAddress;

/** A session as the log and the status show it. Compared by identity. Safe on any thread. */
public interface LiveSession {
  /** The id that the relay has given it. */
  long id();

  ServiceName service();

  InetSocketAddress user();

  /** On the relay, the agent's name in the log; on the agent, the relay. */
  String peer();

  /** How long it has been open. */
  long ageNanos();

  /** Bytes received that go to the target. On other threads than the session's, they may lag. */
  long upBytes();

  /** Bytes received that go to the user; may lag as {@link #upBytes}. */
  long downBytes();
}
