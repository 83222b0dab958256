package io.c2crelay.common.logging;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

class LoggingTest {
  private final LoggerContext context = new LoggerContext();
  private final Sink sink = new Sink();

  private Logger logger(String name) {
    Logging.configure(context, sink, false);
    return context.getLogger(name);
  }

  @Test
  void lineHasTimeLevelAndMessage() {
    logger("io.c2crelay.relay.Some").info("session.open id={} user={}", 7, "ü");
    assertThat(text())
        .matches(
            "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}(Z|[+-]\\d\\d:\\d\\d) INFO  session.open id=7"
                + " user=ü\\R");
  }

  @ParameterizedTest
  @CsvSource({"ERROR, <3>ERROR", "WARN, '<4>WARN '", "INFO, '<6>INFO '", "DEBUG, <7>DEBUG"})
  void journalLineHasPriorityAndNoTime(String level, String prefix) {
    Logging.configure(context, sink, true);
    Logging.level(context, org.slf4j.event.Level.DEBUG);
    Level logged = Level.valueOf(level);
    Logger logger = context.getLogger("io.c2crelay.relay.Some");
    logger.log(null, "", Level.toLocationAwareLoggerInteger(logged), "a <3>b", null, null);
    assertThat(text()).isEqualTo(prefix + " a <3>b" + System.lineSeparator());
  }

  private JsonObject json(String message, Object... arguments) throws Exception {
    logger("a.B");
    Logging.format(context, LogFormat.JSON, false);
    context.getLogger("a.B").info(message, arguments);
    assertThat(text()).endsWith("}\n").doesNotContain("}\n{");
    return JsonParser.object().from(text());
  }

  @Test
  void jsonLineHasAMemberForEachPair() throws Exception {
    JsonObject line =
        json(
            "session.open id={} user={} label={} key={} up={}",
            7,
            "192.0.2.7:50000",
            LogText.value("a \"b\" \\ \n c"),
            "-",
            "007");
    assertThat(line.getString("time")).matches("\\d{4}-\\d\\d-\\d\\dT.*Z");
    assertThat(line.getString("level")).isEqualTo("INFO");
    assertThat(line.getString("event")).isEqualTo("session.open");
    assertThat(line.get("id")).isEqualTo(7);
    assertThat(line.getString("user")).isEqualTo("192.0.2.7:50000");
    assertThat(line.getString("label")).isEqualTo("a \"b\" \\ \\n c");
    assertThat(line.getString("key")).isEqualTo("-");
    assertThat(line.getString("up")).isEqualTo("007");
    assertThat(line).hasSize(8);
  }

  @ParameterizedTest
  @ValueSource(strings = {"A library's text", "event a=b but more", "event a=\"open", "a=b"})
  void otherMessagesAreMembersAsAWhole(String message) throws Exception {
    JsonObject line = json(message);
    assertThat(line.getString("message")).isEqualTo(message);
    assertThat(line.getString("logger")).isEqualTo("a.B");
    assertThat(line.has("event")).isFalse();
  }

  @Test
  void jsonValueMayBeLong() throws Exception {
    String escaped = "\\n".repeat(50_000) + "x".repeat(50_000);
    JsonObject line = json("event.name value=\"" + escaped + "\"");
    assertThat(line.getString("event")).isEqualTo("event.name");
    assertThat(line.getString("value")).hasSizeGreaterThan(100_000);
  }

  @Test
  void jsonHasTheStackTrace() throws Exception {
    JsonObject line = json("unexpected", new IllegalStateException("because"));
    assertThat(line.getString("event")).isEqualTo("unexpected");
    assertThat(line.getString("exception")).contains("IllegalStateException: because", "at ");
  }

  @Test
  void jsonLineOfTheJournalHasItsPriority() {
    Logging.configure(context, sink, true);
    Logging.format(context, LogFormat.JSON, true);
    context.getLogger("a.B").warn("event a=1");
    assertThat(text()).startsWith("<4>{\"time\":").endsWith("\"event\":\"event\",\"a\":1}\n");
  }

  @Test
  void messageStaysOnOneLine() {
    logger("a.B").warn("one\r\ntwo\u2028three\u0085\u001Bfour");
    assertThat(text()).endsWith("WARN  a.B one two three four" + System.lineSeparator());
  }

  @Test
  void stackTraceIsLogged() {
    logger("a.B").error("unexpected", new IllegalStateException("because"));
    assertThat(text()).contains("ERROR a.B unexpected", "IllegalStateException: because", "\tat ");
  }

  @Test
  void reportsLostLinesAfterWriteFailure() {
    Logger logger = logger("a.B");
    logger.info("first");
    assertThat(text()).endsWith("first\n");
    sink.limitSpace(5);
    for (int i = 0; i < 100; i++) {
      logger.info("missing");
    }
    assertThat(text()).contains("first").doesNotContain("missing");
    sink.limitSpace(Integer.MAX_VALUE);
    logger.info("found");
    assertThat(text().lines().map(LoggingTest::withoutTime).skip(2))
        .as("after the partial line")
        .containsExactly("WARN  log.lost lines=100", "INFO  a.B found");
  }

  @Test
  void loggingDoesNotBlockOnStuckStream() {
    Logger logger = logger("a.B");
    int lines = LogWriter.QUEUE_CAPACITY + 100;
    sink.writeLock.lock();
    try {
      assertTimeoutPreemptively(
          Duration.ofSeconds(30),
          () -> {
            logger.info("line 0");
            while (!sink.writeLock.hasQueuedThreads()) {
              Thread.sleep(1);
            }
            for (int i = 1; i < lines; i++) {
              logger.info("line {}", i);
            }
          });
    } finally {
      sink.writeLock.unlock();
    }
    List<String> written = text().lines().map(LoggingTest::withoutTime).toList();
    assertThat(written)
        .hasSize(LogWriter.QUEUE_CAPACITY + 1 + 1) // one line was being written
        .startsWith("INFO  a.B line 0")
        .contains("WARN  log.lost lines=99");
  }

  @Test
  void flushTimesOutOnStuckStream() {
    Logger logger = logger("a.B");
    sink.writeLock.lock();
    try {
      logger.info("unread");
      assertTimeoutPreemptively(Duration.ofSeconds(30), () -> Logging.flush(context));
    } finally {
      sink.writeLock.unlock();
    }
    assertThat(text()).contains("unread");
  }

  @ParameterizedTest
  @CsvSource({
    "ERROR, ERROR, ERROR",
    "WARN, WARN, WARN",
    "INFO, INFO, WARN",
    "DEBUG, DEBUG, WARN",
    "TRACE, TRACE, TRACE"
  })
  void nettyLoggersHaveOwnLevel(org.slf4j.event.Level level, String ours, String netty) {
    Logger logger = logger("io.c2crelay.X");
    Logging.level(context, level);
    assertThat(logger.getEffectiveLevel()).isEqualTo(Level.valueOf(ours));
    assertThat(context.getLogger("io.netty.X").getEffectiveLevel()).isEqualTo(Level.valueOf(netty));
  }

  @Test
  void logbackLoadsTheConfigurator() {
    LoggerContext global = (LoggerContext) LoggerFactory.getILoggerFactory();
    Logger root = global.getLogger(Logger.ROOT_LOGGER_NAME);
    assertThat(root.getAppender("stderr")).isNotNull();
    assertThat(root.iteratorForAppenders()).toIterable().hasSize(1);
    assertThat(global.getStatusManager().getCopyOfStatusListenerList()).hasSize(1);
  }

  private String text() {
    Logging.flush(context, 30_000);
    return sink.text();
  }

  private static String withoutTime(String line) {
    return line.replaceFirst("^\\S+ ", "");
  }

  /** A stream that can run out of space or block. */
  private static final class Sink extends OutputStream {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final ReentrantLock writeLock = new ReentrantLock();
    private volatile int space = Integer.MAX_VALUE;

    void limitSpace(int count) {
      space = count;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b});
    }

    @Override
    public void write(byte[] line, int from, int length) throws IOException {
      writeLock.lock();
      try {
        int fits = Math.min(space, length);
        bytes.write(line, from, fits);
        space -= fits;
        if (fits < length) {
          throw new IOException("No space left on device");
        }
      } finally {
        writeLock.unlock();
      }
    }

    String text() {
      return bytes.toString(UTF_8);
    }
  }
}
