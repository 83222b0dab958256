package io.c2crelay.common.logging;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StatsLoggerTest {

  private final Logger log = new LoggerContext().getLogger("test");
  private final ListAppender<ILoggingEvent> appender = new ListAppender<>();
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private final AtomicInteger users = new AtomicInteger();

  @BeforeEach
  void setUp() {
    appender.start();
    log.addAppender(appender);
    channel.freezeTime();
  }

  private void start(Level level) {
    log.setLevel(level);
    StatsLogger.start(log, "test.counts", channel.eventLoop(), () -> "users=" + users);
    advanceSeconds(0);
  }

  private void advanceSeconds(int seconds) {
    for (int i = 0; i < seconds; i++) {
      channel.advanceTimeBy(1, TimeUnit.SECONDS);
    }
    channel.runScheduledPendingTasks();
  }

  private List<String> lines() {
    return appender.list.stream()
        .map(line -> line.getFormattedMessage().replaceAll(" direct=\\d+$", ""))
        .collect(Collectors.toList());
  }

  @Test
  void logsAtStartAndThenOnlyChanges() {
    start(Level.DEBUG);
    assertThat(lines()).containsExactly("test.counts users=0");
    advanceSeconds(5);
    assertThat(lines()).hasSize(1);
    users.set(7);
    advanceSeconds(1);
    assertThat(lines()).containsExactly("test.counts users=0", "test.counts users=7");
  }

  @Test
  void changesWithinOneSecondAreOneLine() {
    start(Level.DEBUG);
    users.set(1);
    channel.advanceTimeBy(400, TimeUnit.MILLISECONDS);
    channel.runScheduledPendingTasks();
    users.set(2);
    advanceSeconds(1);
    assertThat(lines()).containsExactly("test.counts users=0", "test.counts users=2");
  }

  @Test
  void doesNothingAboveDebug() {
    start(Level.INFO);
    users.set(7);
    advanceSeconds(5);
    assertThat(lines()).isEmpty();
    assertThat(channel.runScheduledPendingTasks()).as("no timer").isEqualTo(-1);
  }
}
