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
 * Fails a test class that leaked a buffer, or anything else that Netty counts references of. JUnit
 * finds it by itself in every module (META-INF/services), before any class of Netty's is loaded.
 *
 * <p>Netty hears of a leak when it tracks the next resource after a garbage collection, and then
 * only logs it. So each class ends with both.
 */
public final class LeakGate implements AfterAllCallback {

  private static final long COLLECTED_SECONDS = 10;

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
    collectGarbage(); // what one collection found is queued in any order, but before the next's
    RECORDERS.forEach(Recorder::report);
    synchronized (LEAKS) {
      if (!LEAKS.isEmpty()) {
        String all = String.join("\n", LEAKS);
        LEAKS.clear();
        throw new AssertionError("leaked, in this class or one before it:\n" + all);
      }
    }
  }

  /** Returns when something that was unreachable has been queued, which follows a collection. */
  private static void collectGarbage() throws InterruptedException {
    ReferenceQueue<Object> queue = new ReferenceQueue<>();
    WeakReference<Object> last = new WeakReference<>(new Object(), queue);
    System.gc();
    if (queue.remove(TimeUnit.SECONDS.toMillis(COLLECTED_SECONDS)) != last) {
      throw new AssertionError("no garbage collection in " + COLLECTED_SECONDS + " s");
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
    @SuppressWarnings("unchecked") // a detector only looks at who its objects are
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

    /** Of what a collection found before; tracking something is what makes a detector look. */
    private void report() {
      @SuppressWarnings("unchecked")
      T resource = (T) new Object();
      ResourceLeakTracker<T> tracker = trackForcibly(resource);
      tracker.close(resource);
    }
  }
}
