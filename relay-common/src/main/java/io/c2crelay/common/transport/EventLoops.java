package io.c2crelay.common.transport;

import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import java.util.concurrent.TimeUnit;

/** The end of event loops. */
public final class EventLoops {
  /** Farewells are written in this time. */
  private static final long QUIET_MILLIS = 100;

  private static final long END_WITHIN_MILLIS = 2000;

  private EventLoops() {}

  /**
   * Ends the loops once all that they were told before is done: Netty closes the sockets of an
   * ending loop before it runs the tasks left, and a FIN would take the place of a reset under way.
   *
   * @return completes when the loops have ended
   */
  public static Future<Void> end(EventLoopGroup loops) {
    Promise<Void> ended = GlobalEventExecutor.INSTANCE.newPromise();
    GlobalEventExecutor.INSTANCE.execute(
        () -> {
          PromiseCombiner told = new PromiseCombiner(GlobalEventExecutor.INSTANCE);
          for (EventExecutor loop : loops) {
            told.add(loop.submit(() -> {}));
          }
          Promise<Void> allTold = GlobalEventExecutor.INSTANCE.newPromise();
          told.finish(allTold);
          allTold.addListener(
              done ->
                  loops
                      .shutdownGracefully(QUIET_MILLIS, END_WITHIN_MILLIS, TimeUnit.MILLISECONDS)
                      .addListener(over -> ended.setSuccess(null)));
        });
    return ended;
  }
}
