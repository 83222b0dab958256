package io.c2crelay.common.logging;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.LoggerFactory;

class LoggingTest {
  private final LoggerContext context = new LoggerContext();
  private final Sink sink = new Sink();

  private Logger logger(String name) {
    Logging.configure(context, new PrintStream(sink, false, UTF_8));
    return context.getLogger(name);
  }

  @Test
  void aLineHasTimeLevelShortNameAndMessage() {
    logger("io.c2crelay.server.Some").info("session.open id={} user={}", 7, "ü");
    assertThat(sink.text())
        .matches(
            "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}(Z|[+-]\\d\\d:\\d\\d) INFO  Some session.open id=7"
                + " user=ü\\R");
  }

  @Test
  void aMessageStaysOnOneLine() {
    logger("a.B").warn("one\r\ntwo\u2028three\u0085\u001Bfour");
    assertThat(sink.text()).endsWith("WARN  B one two three four" + System.lineSeparator());
  }

  @Test
  void aStackIsShown() {
    logger("a.B").error("unexpected", new IllegalStateException("because"));
    assertThat(sink.text())
        .contains("ERROR B unexpected", "IllegalStateException: because", "\tat ");
  }

  @Test
  void goesOnAfterWritingFailed() {
    Logger logger = logger("a.B");
    sink.full = true;
    for (int i = 0; i < 100; i++) {
      logger.info("lost");
    }
    sink.full = false;
    logger.info("found");
    assertThat(sink.text()).contains("found");
  }

  @ParameterizedTest
  @CsvSource({
    "ERROR, ERROR, ERROR",
    "WARN, WARN, WARN",
    "INFO, INFO, WARN",
    "DEBUG, DEBUG, DEBUG",
    "TRACE, TRACE, TRACE"
  })
  void nettySpeaksUpOnlyForWarningsUnlessDebugging(LogLevel level, String ours, String nettys) {
    Logger logger = logger("io.c2crelay.X");
    Logging.level(context, level);
    assertThat(logger.getEffectiveLevel()).isEqualTo(Level.valueOf(ours));
    assertThat(context.getLogger("io.netty.X").getEffectiveLevel())
        .isEqualTo(Level.valueOf(nettys));
  }

  @Test
  void logbackFindsTheSetUpByItself() {
    LoggerContext global = (LoggerContext) LoggerFactory.getILoggerFactory();
    Logger root = global.getLogger(Logger.ROOT_LOGGER_NAME);
    assertThat(root.getAppender("stderr")).isNotNull();
    assertThat(root.iteratorForAppenders()).toIterable().hasSize(1);
    assertThat(global.getStatusManager().getCopyOfStatusListenerList()).hasSize(1);
  }

  private static final class Sink extends OutputStream {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private boolean full;

    @Override
    public void write(int b) throws IOException {
      if (full) {
        throw new IOException("No space left on device");
      }
      bytes.write(b);
    }

    String text() {
      return bytes.toString(UTF_8);
    }
  }
}
