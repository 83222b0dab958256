package io.c2crelay.common.transport;

import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import java.util.concurrent.TimeUnit;

/** Shutdown of event loops. */
public final class EventLoops {
  /** Time for closing connections to write their last frames. */
  private static final long QUIET_MILLIS = 100;

  private static final long TIMEOUT_MILLIS = 2000;

  private EventLoops() {}

  /**
   * Shuts the loops down after the tasks submitted so far have run. Netty closes the sockets of a
   * terminating loop before it runs the remaining tasks, so a pending reset would become a FIN.
   *
   * @return completes when the loops have terminated
   */
  public static Future<Void> end(EventLoopGroup loops) {
    Promise<Void> terminated = GlobalEventExecutor.INSTANCE.newPromise();
    GlobalEventExecutor.INSTANCE.execute(
        () -> {
          PromiseCombiner submittedTasks = new PromiseCombiner(GlobalEventExecutor.INSTANCE);
          for (EventExecutor loop : loops) {
            submittedTasks.add(loop.submit(() -> {}));
          }
          Promise<Void> tasksDone = GlobalEventExecutor.INSTANCE.newPromise();
          submittedTasks.finish(tasksDone);
          tasksDone.addListener(
              ignored ->
                  loops
                      .shutdownGracefully(QUIET_MILLIS, TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)
                      .addListener(future -> terminated.setSuccess(null)));
        });
    return terminated;
  }
}
