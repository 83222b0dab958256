package io.c2crelay.it.support;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A task on its own daemon thread; the result is waited for with a timeout. */
public final class Async<T> {

  private final FutureTask<T> task;

  private Async(FutureTask<T> task) {
    this.task = task;
  }

  public static <T> Async<T> run(Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread thread = new Thread(task, "async");
    thread.setDaemon(true);
    thread.start();
    return new Async<>(task);
  }

  public boolean isDone() {
    return task.isDone();
  }

  public T get(Duration timeout) {
    try {
      return task.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause().toString(), e.getCause());
    } catch (TimeoutException e) {
      throw new AssertionError("not done in " + timeout.toMillis() + " ms", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }
}
