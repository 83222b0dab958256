package io.c2crelay.common.cli;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntConsumer;

/**
 * Waits for SIGINT or SIGTERM. The first one asks for a stop, the second ends the process at once
 * with 128 and the signal's number.
 *
 * <p>{@code sun.misc.Signal} is the only way to be told of a signal without the JVM shutting down
 * meanwhile; it is in every JDK that has the module {@code jdk.unsupported} but cannot be compiled
 * against under {@code --release 8}, hence the reflection. Without it a shutdown hook holds the JVM
 * up until the stop is done; the exit code is then the JVM's own.
 */
final class StopSignals implements StopRequest {
  private static final String[] NAMES = {"INT", "TERM"};

  private final CountDownLatch requested = new CountDownLatch(1);
  private final CountDownLatch finished = new CountDownLatch(1);
  private final IntConsumer halt;

  StopSignals(IntConsumer halt) {
    this.halt = halt;
  }

  /** Starts listening, for the life of the process. */
  static StopSignals install() {
    StopSignals signals = new StopSignals(code -> Runtime.getRuntime().halt(code));
    try {
      signals.listen();
    } catch (ReflectiveOperationException | LinkageError e) {
      Runtime.getRuntime().addShutdownHook(new Thread(signals::hook, "stop"));
    }
    return signals;
  }

  /** An interrupt asks for a stop, too. */
  @Override
  public void await() {
    awaitOrInterrupt(requested);
  }

  /** To be called when the work is done, before the process ends: a shutdown hook waits for it. */
  void finished() {
    finished.countDown();
  }

  /** Takes one signal, on a thread of the JVM's. */
  synchronized void received(int number) {
    if (requested.getCount() == 0) {
      halt.accept(128 + number);
    }
    requested.countDown();
  }

  private void hook() {
    requested.countDown();
    awaitOrInterrupt(finished);
  }

  private static void awaitOrInterrupt(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void listen() throws ReflectiveOperationException {
    Class<?> signal = Class.forName("sun.misc.Signal");
    Class<?> handler = Class.forName("sun.misc.SignalHandler");
    Object proxy =
        Proxy.newProxyInstance(
            handler.getClassLoader(),
            new Class<?>[] {handler},
            (self, method, args) -> {
              switch (method.getName()) {
                case "handle":
                  received((Integer) signal.getMethod("getNumber").invoke(args[0]));
                  return null;
                case "equals":
                  return self == args[0];
                case "hashCode":
                  return System.identityHashCode(self);
                default:
                  return "StopSignals";
              }
            });
    for (String name : NAMES) {
      try {
        Object one = signal.getConstructor(String.class).newInstance(name);
        signal.getMethod("handle", signal, handler).invoke(null, one, proxy);
      } catch (InvocationTargetException e) {
        // Not a signal of this system, or kept back by -Xrs: it keeps its default.
      }
    }
  }
}
