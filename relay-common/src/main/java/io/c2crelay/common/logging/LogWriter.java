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
 * Writes log lines on a separate thread, so that an event loop does not block on a slow disk or a
 * full pipe. Lines that do not fit the queue or cannot be written are dropped and counted; {@code
 * log.lost lines=…} reports the number once writing succeeds again.
 *
 * <p>Unlike logback's appenders it does not stop after a write error.
 */
final class LogWriter extends UnsynchronizedAppenderBase<ILoggingEvent> {
  /** The queue's capacity in lines of about 200 bytes. */
  static final int QUEUE_CAPACITY = 4096;

  private static final long LOST_REPORT_NANOS = TimeUnit.SECONDS.toNanos(1);

  private volatile Encoder<ILoggingEvent> encoder;
  private final OutputStream stream;
  private final AtomicLong lost = new AtomicLong();
  private final ThreadPoolExecutor writer =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(QUEUE_CAPACITY),
          LogWriter::newThread,
          (line, executor) -> lost.incrementAndGet());

  // used on the writer thread only
  private long lastLostReportNanos = System.nanoTime() - LOST_REPORT_NANOS;
  private boolean partialLine;

  private static Thread newThread(Runnable task) {
    Thread thread = new Thread(task, "log");
    thread.setDaemon(true);
    return thread;
  }

  LogWriter(Encoder<ILoggingEvent> encoder, OutputStream stream) {
    this.encoder = encoder;
    this.stream = stream;
  }

  /** Formats lines with another encoder from now on. */
  void setEncoder(Encoder<ILoggingEvent> encoder) {
    this.encoder = encoder;
  }

  @Override
  protected void append(ILoggingEvent event) {
    byte[] line = encoder.encode(event);
    writer.execute(
        () -> {
          if (System.nanoTime() - lastLostReportNanos >= LOST_REPORT_NANOS) {
            reportLost();
          }
          if (!write(line)) {
            lost.incrementAndGet();
          }
        });
  }

  /** Waits until the lines logged so far are written. Returns after at most twice the timeout. */
  void flush(long timeoutMillis) {
    FutureTask<?> marker = new FutureTask<>(this::reportLost, null);
    writer.prestartCoreThread();
    try {
      if (writer.getQueue().offer(marker, timeoutMillis, TimeUnit.MILLISECONDS)) {
        marker.get(timeoutMillis, TimeUnit.MILLISECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      // the stream is blocked
    }
  }

  private void reportLost() {
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
      lastLostReportNanos = System.nanoTime();
    } else {
      lost.addAndGet(lines);
    }
  }

  private boolean write(byte[] line) {
    try {
      if (partialLine) {
        stream.write('\n');
      }
      partialLine = true;
      stream.write(line);
      partialLine = false;
      return true;
    } catch (IOException e) {
      return false; // the disk is full or the pipe is closed
    }
  }
}
