package io.c2crelay.relay.session;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.relay.address.ClientNetwork;
import java.util.List;

/** The dispatcher's view of an attached agent: its control connection. Safe on any thread. */
public interface AgentLink {
  /** A short name for log lines, unique within this process. */
  String name();

  /** Identifies the agent process, which may attach again with another link. */
  InstanceId instance();

  /** The network that its dials come from. */
  ClientNetwork network();

  /** When the agent last sent a frame on it, on the dispatcher's clock, in nanoseconds. */
  long lastHeardNanos();

  /** Requests data connections. */
  void dial(List<Frame.Dial.DialRequest> dialRequests);

  /** Sends GOAWAY: no more sessions follow. */
  void goAway(ReasonCode reason);
}
