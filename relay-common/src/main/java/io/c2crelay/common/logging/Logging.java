package io.c2crelay.common.logging;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.util.LevelToSyslogSeverity;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.Layout;
import ch.qos.logback.core.LayoutBase;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import ch.qos.logback.core.spi.ContextAwareBase;
import ch.qos.logback.core.status.NopStatusListener;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.slf4j.ILoggerFactory;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Configures logback: one appender, which writes to standard error. Logback loads this class as a
 * service when the first logger is created, so it searches for no configuration file and never
 * writes to standard output.
 */
public final class Logging extends ContextAwareBase implements Configurator {
  /**
   * Replaces control characters in messages by spaces. Untrusted text also goes through {@link
   * LogText}.
   */
  private static final String PATTERN =
      "%-5level %replace(%logger ){'^io\\.c2crelay\\..*', ''}"
          + "%replace(%msg){'[\\x00-\\x1F\\x7F-\\x9F\\u2028\\u2029]+', ' '}%n";

  private static final String TIME = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} ";

  private static final String APPENDER = "stderr";

  private static final long FLUSH_MILLIS = 1000;

  /** Public for logback's service loader. */
  public Logging() {}

  @Override
  public ExecutionStatus configure(LoggerContext context) {
    boolean toJournal = Journal.isStandardError(System.getenv());
    // System.err hides write errors
    configure(context, new FileOutputStream(FileDescriptor.err), toJournal);
    return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
  }

  /**
   * Sets the level of all loggers. Netty's loggers stay at {@code WARN} for {@code INFO} and {@code
   * DEBUG}.
   */
  public static void level(Level level) {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    if (factory instanceof LoggerContext) { // tests may use another backend
      level((LoggerContext) factory, level);
    }
  }

  /** Sets the format of all lines from now on. */
  public static void format(LogFormat format) {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    if (factory instanceof LoggerContext) {
      format((LoggerContext) factory, format, Journal.isStandardError(System.getenv()));
    }
  }

  static void format(LoggerContext context, LogFormat format, boolean toJournal) {
    Appender<ILoggingEvent> appender =
        context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender(APPENDER);
    if (appender instanceof LogWriter) {
      ((LogWriter) appender).setEncoder(encoder(context, format, toJournal));
    }
  }

  /** Waits for up to 2 s until the lines logged so far are written. */
  public static void flush() {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    if (factory instanceof LoggerContext) {
      flush((LoggerContext) factory);
    }
  }

  static void flush(LoggerContext context) {
    flush(context, FLUSH_MILLIS);
  }

  static void flush(LoggerContext context, long timeoutMillis) {
    Appender<ILoggingEvent> appender =
        context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender(APPENDER);
    if (appender instanceof LogWriter) {
      ((LogWriter) appender).flush(timeoutMillis);
    }
  }

  static void configure(LoggerContext context, OutputStream stream, boolean toJournal) {
    context.getStatusManager().add(new NopStatusListener()); // else logback prints status messages
    LogWriter appender = new LogWriter(encoder(context, LogFormat.TEXT, toJournal), stream);
    appender.setContext(context);
    appender.setName(APPENDER);
    appender.start();
    context.getLogger(Logger.ROOT_LOGGER_NAME).addAppender(appender);
    level(context, Level.INFO);
  }

  private static Encoder<ILoggingEvent> encoder(
      LoggerContext context, LogFormat format, boolean toJournal) {
    Layout<ILoggingEvent> layout = layout(context, format, toJournal);
    layout.setContext(context);
    layout.start();
    LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
    encoder.setContext(context);
    encoder.setCharset(StandardCharsets.UTF_8);
    encoder.setLayout(toJournal ? new JournalLayout(layout) : layout);
    encoder.start();
    return encoder;
  }

  private static Layout<ILoggingEvent> layout(
      LoggerContext context, LogFormat format, boolean toJournal) {
    if (format == LogFormat.JSON) {
      return new JsonLayout();
    }
    PatternLayout layout = new PatternLayout();
    layout.setContext(context);
    layout.setPattern(toJournal ? PATTERN : TIME + PATTERN);
    return layout;
  }

  static void level(LoggerContext context, Level level) {
    Level netty = level == Level.INFO || level == Level.DEBUG ? Level.WARN : level;
    context.getLogger(Logger.ROOT_LOGGER_NAME).setLevel(logback(level));
    context.getLogger("io.netty").setLevel(logback(netty));
  }

  private static ch.qos.logback.classic.Level logback(Level level) {
    return ch.qos.logback.classic.Level.convertAnSLF4JLevel(level);
  }

  /** Prefixes each line with its priority. */
  private static final class JournalLayout extends LayoutBase<ILoggingEvent> {
    private final Layout<ILoggingEvent> lines;

    JournalLayout(Layout<ILoggingEvent> lines) {
      this.lines = lines;
    }

    @Override
    public String doLayout(ILoggingEvent event) {
      return Journal.priorityPrefix(LevelToSyslogSeverity.convert(event)) + lines.doLayout(event);
    }
  }
}
