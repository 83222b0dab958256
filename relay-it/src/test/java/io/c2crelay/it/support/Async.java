package io.c2crelay.it.support;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs tasks on their own daemon threads. Waits for results with a timeout. */
public final class Async<T> {

  private final FutureTask<T> task;

  private Async(FutureTask<T> task) {
    this.task = task;
  }

  public static <T> Async<T> run(Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    start("async", task);
    return new Async<>(task);
  }

  /** Starts a thread without a result. */
  public static Thread start(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
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
