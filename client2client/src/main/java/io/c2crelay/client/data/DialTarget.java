package io.c2crelay.client.data;

import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;

/** Dials the target of this agent, as {@link TargetConnector#connect} does. */
@FunctionalInterface
public interface DialTarget {
  /**
   * Dials.
   *
   * @return completes on {@code loop} with a channel that reads nothing yet, or with the cause
   */
  Future<? extends DuplexChannel> dial(EventLoop loop);
}
