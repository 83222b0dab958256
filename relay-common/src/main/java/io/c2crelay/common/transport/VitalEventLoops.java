package io.c2crelay.common.transport;

import io.c2crelay.common.logging.Logging;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Event loops that the process does not outlive: one that ends by itself, as it does at an {@code
 * Error}, would leave its connections hanging and the process looking well.
 */
final class VitalEventLoops extends MultiThreadIoEventLoopGroup {
  private static final Logger log = LoggerFactory.getLogger(VitalEventLoops.class);

  /** All loops are there, none is lost, and they are not told to end. */
  private final AtomicBoolean vital;

  private VitalEventLoops(
      int threads, IoHandlerFactory handlers, Runnable lost, AtomicBoolean vital) {
    super(threads, new Threads(lost, vital), handlers); // ends those it has if one cannot be made
    this.vital = vital;
    vital.set(true);
  }

  static VitalEventLoops of(int threads, IoHandlerFactory handlers) {
    return of(threads, handlers, VitalEventLoops::halt);
  }

  /**
   * @param lost run once, on the thread of the first loop that ended without being told to
   */
  static VitalEventLoops of(int threads, IoHandlerFactory handlers, Runnable lost) {
    return new VitalEventLoops(threads, handlers, lost, new AtomicBoolean());
  }

  @Override
  protected IoEventLoop newChild(Executor executor, IoHandlerFactory handlers, Object... none) {
    return new Loop(this, executor, handlers); // from the superclass's constructor
  }

  @Override
  public Future<?> shutdownGracefully(long quietPeriod, long timeout, TimeUnit unit) {
    vital.set(false);
    return super.shutdownGracefully(quietPeriod, timeout, unit);
  }

  private static void halt() {
    try {
      log.error("loop.lost note=\"a fault, or the jar was changed under the running program\"");
      Logging.flush();
    } finally {
      Runtime.getRuntime().halt(1); // hooks would drain, on loops that are not there
    }
  }

  /**
   * What it is told after its end is dropped: loops end one after the other, and what a task would
   * have changed is gone.
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

  private static final class Threads extends DefaultThreadFactory {
    private final Runnable lost;
    private final AtomicBoolean vital;

    Threads(Runnable lost, AtomicBoolean vital) {
      super("loop", true);
      this.lost = lost;
      this.vital = vital;
    }

    @Override
    public Thread newThread(Runnable loop) {
      return super.newThread(
          () -> {
            try {
              loop.run();
            } finally {
              if (vital.getAndSet(false)) {
                lost.run();
              }
            }
          });
    }
  }
}
