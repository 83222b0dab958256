package io.c2crelay.common.cli;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntConsumer;

/**
 * Waits for SIGINT or SIGTERM, and passes on others. The first stop signal requests a stop. The
 * second ends the process at once with exit code 128 plus the signal number.
 *
 * <p>{@code sun.misc.Signal} is the only way to receive a signal without a JVM shutdown. It is part
 * of {@code jdk.unsupported} but does not compile under {@code --release 8}, hence the reflection.
 * Without it, a shutdown hook delays the JVM's shutdown until the stop is done; the exit code is
 * then the JVM's.
 */
final class StopSignals implements StopRequest {
  private static final String[] SIGNALS = {"INT", "TERM"};

  private final CountDownLatch requested = new CountDownLatch(1);
  private final CountDownLatch finished = new CountDownLatch(1);
  private final IntConsumer halt;

  StopSignals(IntConsumer halt) {
    this.halt = halt;
  }

  /** Installs the signal handlers for the life of the process. */
  static StopSignals install() {
    StopSignals signals = new StopSignals(code -> Runtime.getRuntime().halt(code));
    try {
      for (String name : SIGNALS) {
        register(name, signals::received);
      }
      register("USR1", number -> {}); // status request: must not end startup
    } catch (ReflectiveOperationException | LinkageError e) {
      Runtime.getRuntime().addShutdownHook(new Thread(signals::delayShutdown, "stop"));
    }
    return signals;
  }

  /** Also returns when the thread is interrupted. */
  @Override
  public void await() {
    awaitOrInterrupt(requested);
  }

  /** Releases the shutdown hook. Call when the stop is done, before the process ends. */
  void finished() {
    finished.countDown();
  }

  /** Handles a signal, on a thread of the JVM. */
  synchronized void received(int number) {
    if (requested.getCount() == 0) {
      halt.accept(128 + number);
    }
    requested.countDown();
  }

  private void delayShutdown() {
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

  @Override
  public void onSignal(String name, Runnable action) {
    try {
      register(name, number -> action.run());
    } catch (ReflectiveOperationException | LinkageError e) {
      // the default action remains
    }
  }

  /**
   * @param handler receives the signal's number, on a thread of the JVM
   */
  private static void register(String name, IntConsumer handler)
      throws ReflectiveOperationException {
    Class<?> signal = Class.forName("sun.misc.Signal");
    Class<?> handlerType = Class.forName("sun.misc.SignalHandler");
    Object proxy =
        Proxy.newProxyInstance(
            handlerType.getClassLoader(),
            new Class<?>[] {handlerType},
            (self, method, args) -> {
              switch (method.getName()) {
                case "handle":
                  handler.accept((Integer) signal.getMethod("getNumber").invoke(args[0]));
                  return null;
                case "equals":
                  return self == args[0];
                case "hashCode":
                  return System.identityHashCode(self);
                default:
                  return "StopSignals";
              }
            });
    try {
      Object instance = signal.getConstructor(String.class).newInstance(name);
      signal.getMethod("handle", signal, handlerType).invoke(null, instance, proxy);
    } catch (InvocationTargetException e) {
      // unknown to this system or disabled by -Xrs: the default action remains
    }
  }
}
