package io.c2crelay.common.testing;

import io.netty.util.ResourceLeakDetector;
import io.netty.util.ResourceLeakDetectorFactory;
import io.netty.util.ResourceLeakTracker;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails a test class that leaked a reference-counted Netty object. JUnit loads it in each module
 * (META-INF/services) before any class of Netty.
 *
 * <p>Netty detects a leak when it tracks the next object after a garbage collection, and only logs
 * it. So this extension does both after each class.
 */
public final class LeakGate implements AfterAllCallback {

  private static final long GC_TIMEOUT_SECONDS = 10;

  private static final List<Recorder<Object>> RECORDERS = new CopyOnWriteArrayList<>();
  private static final List<String> LEAKS = new ArrayList<>(); // guarded by itself

  static {
    ResourceLeakDetectorFactory.setResourceLeakDetectorFactory(new RecorderFactory());
  }

  @Override
  public void afterAll(ExtensionContext context) throws InterruptedException {
    assertNoLeak();
  }

  static void assertNoLeak() throws InterruptedException {
    if (!ResourceLeakDetector.isEnabled()) {
      return;
    }
    collectGarbage();
    collectGarbage(); // a collection queues its references before those of the next one
    RECORDERS.forEach(Recorder::report);
    synchronized (LEAKS) {
      if (!LEAKS.isEmpty()) {
        String leaks = String.join("\n", LEAKS);
        LEAKS.clear();
        throw new AssertionError("leak in this test class or an earlier one:\n" + leaks);
      }
    }
  }

  /** Collects garbage and waits until an unreachable reference was queued. */
  private static void collectGarbage() throws InterruptedException {
    ReferenceQueue<Object> queue = new ReferenceQueue<>();
    WeakReference<Object> sentinel = new WeakReference<>(new Object(), queue);
    System.gc();
    if (queue.remove(TimeUnit.SECONDS.toMillis(GC_TIMEOUT_SECONDS)) != sentinel) {
      throw new AssertionError("no garbage collection in " + GC_TIMEOUT_SECONDS + " s");
    }
  }

  private static final class RecorderFactory extends ResourceLeakDetectorFactory {
    @Override
    @Deprecated
    public <T> ResourceLeakDetector<T> newResourceLeakDetector(
        Class<T> resource, int samplingInterval, long maxActive) {
      return newResourceLeakDetector(resource, samplingInterval);
    }

    @Override
    @SuppressWarnings("unchecked") // a detector only uses the identity of objects
    public <T> ResourceLeakDetector<T> newResourceLeakDetector(
        Class<T> resource, int samplingInterval) {
      Recorder<T> recorder = new Recorder<>(resource, samplingInterval);
      RECORDERS.add((Recorder<Object>) recorder);
      return recorder;
    }
  }

  private static final class Recorder<T> extends ResourceLeakDetector<T> {
    Recorder(Class<?> resource, int samplingInterval) {
      super(resource, samplingInterval);
    }

    @Override
    protected boolean needReport() {
      return true;
    }

    @Override
    protected void reportTracedLeak(String resource, String records) {
      add(resource + records);
    }

    @Override
    protected void reportUntracedLeak(String resource) {
      add(resource + ", without a trace");
    }

    private static void add(String leak) {
      synchronized (LEAKS) {
        LEAKS.add("LEAK: " + leak);
      }
    }

    /**
     * Reports leaks found by earlier collections: a detector checks them when it tracks an object.
     */
    private void report() {
      @SuppressWarnings("unchecked")
      T resource = (T) new Object();
      ResourceLeakTracker<T> tracker = trackForcibly(resource);
      tracker.close(resource);
    }
  }
}
