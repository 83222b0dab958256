package io.c2crelay.common.transport;

import io.c2crelay.common.logging.Logging;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An event loop group that halts the process when a loop terminates unexpectedly, such as after an
 * {@code Error}. Otherwise its connections would hang in a process that appears healthy.
 */
public final class FailFastEventLoopGroup extends MultiThreadIoEventLoopGroup {
  private static final Logger log = LoggerFactory.getLogger(FailFastEventLoopGroup.class);

  /** Time for closing connections to write their last frames. */
  private static final long QUIET_MILLIS = 100;

  private static final long TIMEOUT_MILLIS = 2000;

  /** True while all loops must run: from their creation to the shutdown or the first lost loop. */
  private final AtomicBoolean armed;

  private FailFastEventLoopGroup(
      int threads, IoHandlerFactory handlers, Runnable onLoopLost, AtomicBoolean armed) {
    // terminates the created loops if one cannot be created, hence armed only afterwards
    super(threads, new LoopThreadFactory(onLoopLost, armed), handlers);
    this.armed = armed;
    armed.set(true);
  }

  static FailFastEventLoopGroup of(int threads, IoHandlerFactory handlers) {
    return of(threads, handlers, FailFastEventLoopGroup::halt);
  }

  /**
   * @param onLoopLost run once, on the thread of the first loop that terminates unexpectedly
   */
  static FailFastEventLoopGroup of(int threads, IoHandlerFactory handlers, Runnable onLoopLost) {
    return new FailFastEventLoopGroup(threads, handlers, onLoopLost, new AtomicBoolean());
  }

  @Override
  protected IoEventLoop newChild(Executor executor, IoHandlerFactory handlers, Object... args) {
    return new Loop(this, executor, handlers); // called by the superclass constructor
  }

  @Override
  public Future<?> shutdownGracefully(long quietPeriod, long timeout, TimeUnit unit) {
    armed.set(false);
    return super.shutdownGracefully(quietPeriod, timeout, unit);
  }

  /**
   * Shuts the loops down after the tasks submitted so far have run. Netty closes the sockets of a
   * terminating loop before it runs the remaining tasks, so a pending reset would become a FIN.
   *
   * @return completes when the loops have terminated
   */
  public Future<Void> terminate() {
    Promise<Void> terminated = GlobalEventExecutor.INSTANCE.newPromise();
    GlobalEventExecutor.INSTANCE.execute(
        () -> {
          PromiseCombiner submittedTasks = new PromiseCombiner(GlobalEventExecutor.INSTANCE);
          for (EventExecutor loop : this) {
            submittedTasks.add(loop.submit(() -> {}));
          }
          Promise<Void> tasksDone = GlobalEventExecutor.INSTANCE.newPromise();
          submittedTasks.finish(tasksDone);
          tasksDone.addListener(
              ignored ->
                  shutdownGracefully(QUIET_MILLIS, TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)
                      .addListener(future -> terminated.setSuccess(null)));
        });
    return terminated;
  }

  private static void halt() {
    try {
      log.error("loop.lost note=\"a bug, or the jar was replaced at run time\"");
      Logging.flush();
    } finally {
      Runtime.getRuntime().halt(1); // shutdown hooks would block on the lost loop
    }
  }

  /**
   * Discards tasks that are submitted after its termination. Loops terminate at different times,
   * and such a task would change state that no longer exists.
   */
  private static final class Loop extends SingleThreadIoEventLoop {
    Loop(IoEventLoopGroup parent, Executor executor, IoHandlerFactory handlers) {
      super(parent, executor, handlers);
    }

    @Override
    public void execute(Runnable task) {
      try {
        super.execute(task);
      } catch (RejectedExecutionException e) {
        if (!isShutdown()) {
          throw e;
        }
      }
    }
  }

  private static final class LoopThreadFactory extends DefaultThreadFactory {
    private final Runnable onLoopLost;
    private final AtomicBoolean armed;

    LoopThreadFactory(Runnable onLoopLost, AtomicBoolean armed) {
      super("loop", true);
      this.onLoopLost = onLoopLost;
      this.armed = armed;
    }

    @Override
    public Thread newThread(Runnable loop) {
      return super.newThread(
          () -> {
            try {
              loop.run();
            } finally {
              if (armed.getAndSet(false)) {
                onLoopLost.run();
              }
            }
          });
    }
  }
}
