package io.c2crelay.common.logging;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.UnsynchronizedAppenderBase;
import ch.qos.logback.core.encoder.Encoder;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes lines on a thread of its own: an event loop that logs must not wait for a slow disk, or
 * for ever for a pipe that nobody reads. Lines that find no place in the queue, or that cannot be
 * written, are lost and counted; {@code log.lost lines=…} says how many as soon as it can be
 * written.
 *
 * <p>Unlike logback's own, never stops itself: once the disk has room again, lines appear again.
 */
final class LogWriter extends UnsynchronizedAppenderBase<ILoggingEvent> {
  /** Lines that wait to be written, of some 200 bytes each. */
  static final int MAX_WAITING = 4096;

  private static final long SAY_LOST_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Encoder<ILoggingEvent> encoder;
  private final OutputStream stream;
  private final AtomicLong lost = new AtomicLong();
  private final ThreadPoolExecutor thread =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(MAX_WAITING),
          LogWriter::newThread,
          (line, full) -> lost.incrementAndGet());

  // on that thread
  private long saidLostNanos = System.nanoTime() - SAY_LOST_NANOS;
  private boolean lineCutShort;

  private static Thread newThread(Runnable task) {
    Thread thread = new Thread(task, "log");
    thread.setDaemon(true);
    return thread;
  }

  LogWriter(Encoder<ILoggingEvent> encoder, OutputStream stream) {
    this.encoder = encoder;
    this.stream = stream;
  }

  @Override
  protected void append(ILoggingEvent event) {
    byte[] line = encoder.encode(event);
    thread.execute(
        () -> {
          if (System.nanoTime() - saidLostNanos >= SAY_LOST_NANOS) {
            sayLost();
          }
          if (!write(line)) {
            lost.incrementAndGet();
          }
        });
  }

  /** Waits until all lines so far are written, but not much longer than this. */
  void flush(long timeoutMillis) {
    FutureTask<?> behindThem = new FutureTask<>(this::sayLost, null);
    thread.prestartCoreThread();
    try {
      if (thread.getQueue().offer(behindThem, timeoutMillis, TimeUnit.MILLISECONDS)) {
        behindThem.get(timeoutMillis, TimeUnit.MILLISECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      // nobody reads them
    }
  }

  private void sayLost() {
    long lines = lost.getAndSet(0);
    if (lines == 0) {
      return;
    }
    LoggingEvent event =
        new LoggingEvent(
            LogWriter.class.getName(),
            ((LoggerContext) getContext()).getLogger(Logging.class),
            Level.WARN,
            "log.lost lines={}",
            null,
            new Object[] {lines});
    if (write(encoder.encode(event))) {
      saidLostNanos = System.nanoTime();
    } else {
      lost.addAndGet(lines);
    }
  }

  private boolean write(byte[] line) {
    try {
      if (lineCutShort) {
        stream.write('\n');
      }
      lineCutShort = true;
      stream.write(line);
      lineCutShort = false;
      return true;
    } catch (IOException e) {
      return false; // no room, or nobody there any more
    }
  }
}
