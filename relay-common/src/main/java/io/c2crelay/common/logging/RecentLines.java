package io.c2crelay.common.logging;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import org.slf4j.ILoggerFactory;
import org.slf4j.LoggerFactory;

/** Keeps the latest lines of the log, from level INFO up, in memory. Safe on any thread. */
public final class RecentLines extends AppenderBase<ILoggingEvent> {
  private static final int MAX_LINES = 50;
  private static final String NAME = "recent";

  private final Deque<String> lines = new ArrayDeque<>();

  private RecentLines() {}

  /** Begins to keep lines. */
  public static void keep() {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    if (factory instanceof LoggerContext) { // tests may use another backend
      LoggerContext context = (LoggerContext) factory;
      RecentLines appender = new RecentLines();
      appender.setContext(context);
      appender.setName(NAME);
      appender.start();
      context.getLogger(Logger.ROOT_LOGGER_NAME).addAppender(appender);
    }
  }

  /** The lines, latest first; empty without {@link #keep}. */
  public static List<String> get() {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    Object appender =
        factory instanceof LoggerContext
            ? ((LoggerContext) factory).getLogger(Logger.ROOT_LOGGER_NAME).getAppender(NAME)
            : null;
    return appender instanceof RecentLines
        ? ((RecentLines) appender).latestFirst()
        : Collections.emptyList();
  }

  /** Called under the appender's lock. */
  @Override
  protected void append(ILoggingEvent event) {
    if (!event.getLevel().isGreaterOrEqual(Level.INFO)) {
      return;
    }
    String time = Instant.ofEpochMilli(event.getTimeStamp()).toString();
    String line = time + " " + event.getLevel() + " " + LogText.safe(event.getFormattedMessage());
    synchronized (lines) {
      lines.addFirst(line);
      if (lines.size() > MAX_LINES) {
        lines.removeLast();
      }
    }
  }

  private List<String> latestFirst() {
    synchronized (lines) {
      return new ArrayList<>(lines);
    }
  }
}
