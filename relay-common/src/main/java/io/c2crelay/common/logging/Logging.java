package io.c2crelay.common.logging;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.util.LevelToSyslogSeverity;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import ch.qos.logback.core.spi.ContextAwareBase;
import ch.qos.logback.core.status.NopStatusListener;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.slf4j.ILoggerFactory;
import org.slf4j.LoggerFactory;

/**
 * The whole of the logging set-up: one appender, to standard error. Logback finds this class as a
 * service when the first logger is made, whoever makes it, so no file is looked for and no line is
 * ever written to standard output.
 */
public final class Logging extends ContextAwareBase implements Configurator {
  /**
   * Control characters in a message become spaces; hostile text goes through {@link LogText}
   * besides.
   */
  private static final String PATTERN =
      "%-5level %replace(%logger ){'^io\\.c2crelay\\..*', ''}"
          + "%replace(%msg){'[\\x00-\\x1F\\x7F-\\x9F\\u2028\\u2029]+', ' '}%n";

  private static final String TIME = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} ";

  private static final String APPENDER = "stderr";

  private static final long FLUSH_MILLIS = 1000;

  /** For logback only, which needs a public constructor. */
  public Logging() {}

  @Override
  public ExecutionStatus configure(LoggerContext context) {
    boolean journal = Journal.isStandardError(System.getenv());
    // System.err hides its failures
    configure(context, new FileOutputStream(FileDescriptor.err), journal);
    return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
  }

  /**
   * Sets how much is logged from now on; Netty's own loggers speak up only for warnings, unless all
   * is traced.
   */
  public static void level(LogLevel level) {
    ILoggerFactory factory = LoggerFactory.getILoggerFactory();
    if (factory instanceof LoggerContext) { // a test may run under another backend
      level((LoggerContext) factory, level);
    }
  }

  /** Waits until what was logged so far is written, at most for a second. */
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

  static void configure(LoggerContext context, OutputStream stream, boolean journal) {
    context.getStatusManager().add(new NopStatusListener()); // else logback prints its own troubles
    PatternLayout layout = journal ? new JournalLayout() : new PatternLayout();
    layout.setContext(context);
    layout.setPattern(journal ? PATTERN : TIME + PATTERN);
    layout.start();
    LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
    encoder.setContext(context);
    encoder.setCharset(StandardCharsets.UTF_8);
    encoder.setLayout(layout);
    encoder.start();
    LogWriter appender = new LogWriter(encoder, stream);
    appender.setContext(context);
    appender.setName(APPENDER);
    appender.start();
    context.getLogger(Logger.ROOT_LOGGER_NAME).addAppender(appender);
    level(context, LogLevel.INFO);
  }

  static void level(LoggerContext context, LogLevel level) {
    LogLevel netty = level == LogLevel.INFO || level == LogLevel.DEBUG ? LogLevel.WARN : level;
    context.getLogger(Logger.ROOT_LOGGER_NAME).setLevel(Level.valueOf(level.name()));
    context.getLogger("io.netty").setLevel(Level.valueOf(netty.name()));
  }

  private static final class JournalLayout extends PatternLayout {
    @Override
    public String doLayout(ILoggingEvent event) {
      return Journal.mark(LevelToSyslogSeverity.convert(event)) + super.doLayout(event);
    }
  }
}
