package io.c2crelay.agent.data;

import io.c2crelay.common.protocol.Frame;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;

/** Connects sessions to their target: see {@link TargetConnector}. */
@FunctionalInterface
public interface TargetDialer {
  /** Opens a connection for a session, on this loop. */
  Future<? extends DuplexChannel> connect(EventLoop loop, Frame.Start start);
}
