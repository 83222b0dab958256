package io.c2crelay.client.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.splice.SpliceSettings;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;

/** Starts sessions on data connections. Safe on any thread. */
public final class SessionStarter {
  private final DialTarget dialTarget;
  private final SpliceSettings settings;
  private final SessionTracker tracker;

  /** A starter of sessions with one target. */
  public SessionStarter(DialTarget dialTarget, SpliceSettings settings, SessionTracker tracker) {
    this.dialTarget = requireNonNull(dialTarget, "dialTarget");
    this.settings = requireNonNull(settings, "settings");
    this.tracker = requireNonNull(tracker, "tracker");
  }

  /** START was received: dials the target. On the data connection's loop. */
  void start(Channel data, Frame.Start start) {
    if (!tracker.open(data)) {
      Sockets.reset(data);
      return;
    }
    TargetDial dial = new TargetDial(start, settings, tracker);
    data.pipeline().addLast("target-dial", dial);
    dial.begin(dialTarget);
  }
}
