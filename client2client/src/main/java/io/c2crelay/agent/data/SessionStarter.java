package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;

/** Starts sessions on data connections. Safe on any thread. */
public final class SessionStarter {
  private final TargetDialer targetDialer;
  private final BridgeSettings settings;
  private final SessionTracker tracker;
  private final ServiceEvents events;

  public SessionStarter(
      TargetDialer targetDialer,
      BridgeSettings settings,
      SessionTracker tracker,
      ServiceEvents events) {
    this.targetDialer = requireNonNull(targetDialer, "targetDialer");
    this.settings = requireNonNull(settings, "settings");
    this.tracker = requireNonNull(tracker, "tracker");
    this.events = requireNonNull(events, "events");
  }

  /**
   * Starts a session after START was received. On the data connection's event loop.
   *
   * @param returns takes the connection back after the session
   */
  void start(Channel data, Frame.Start start, ConnectionReturn returns) {
    Session session = new Session(data, start, settings, tracker, events, returns);
    if (tracker.tryOpen(session)) {
      session.begin(targetDialer);
    } else {
      data.writeAndFlush(Frame.Reset.of(ReasonCode.DRAINING));
      Sockets.reset(data);
    }
  }
}
