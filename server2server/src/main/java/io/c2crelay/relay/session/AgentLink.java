package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.ClientNetwork;
import java.util.List;

/** An attached agent as the dispatcher sees it: its control connection. Safe on any thread. */
public interface AgentLink {
  /** A short name for log lines, unique within this process. */
  String name();

  /** The agent process, which may attach again by another link. */
  InstanceId instance();

  /** Where its dials come from. */
  ClientNetwork network();

  /** When its control connection was last heard, on the dispatcher's clock, in nanoseconds. */
  long lastHeardNanos();

  /** Asks for data connections. */
  void dial(List<Frame.Dial.DialRequest> dialRequests);

  /** Tells it that no more sessions come. */
  void goAway(ReasonCode reason);
}
