package io.c2crelay.agent.data;

import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;

/** Connects to the agent's target, as {@link TargetConnector#connect} does. */
@FunctionalInterface
public interface TargetDialer {
  /**
   * Opens a connection.
   *
   * @return completes on {@code loop} with a channel whose auto-read is off, or with the cause
   */
  Future<? extends DuplexChannel> dial(EventLoop loop);
}
