package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.c2crelay.common.logging.Logging;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

class ReloaderTest {
  private final Logger logger = (Logger) LoggerFactory.getLogger(Reloader.class);
  private final ListAppender<ILoggingEvent> logged = new ListAppender<>();
  private Level levelBefore;
  private int applied;

  private final Reloader<Sample> reloader =
      new Reloader<>(
          sample(1, 1),
          next -> {
            if (next.limit == 99) {
              throw new StartupException("port 99 is in use");
            }
            applied = next.limit;
          });

  /** A limit that can change, and a port that cannot. */
  private static final class Sample implements Reloader.Config<Sample> {
    final SharedSettings shared;
    final int limit;
    final int port;

    Sample(SharedSettings shared, int limit, int port) {
      this.shared = shared;
      this.limit = limit;
      this.port = port;
    }

    @Override
    public SharedSettings shared() {
      return shared;
    }

    @Override
    public void compare(Sample next, ConfigChanges changes) {
      changes.atOnce("--limit", limit, next.limit);
      changes.needsRestart("--port", port, next.port);
    }
  }

  private static Sample sample(int limit, int port) {
    return sample(limit, port, Level.INFO);
  }

  private static Sample sample(int limit, int port, Level logLevel) {
    SharedOptions options = new SharedOptions();
    options.logLevel = logLevel;
    try {
      return new Sample(new SharedSettings(options), limit, port);
    } catch (StartupException e) {
      throw new AssertionError(e);
    }
  }

  @BeforeEach
  void listen() {
    levelBefore = Level.valueOf(root().getLevel().toString());
    logged.start();
    logger.addAppender(logged);
    logger.setAdditive(false);
  }

  @AfterEach
  void stop() {
    logger.setAdditive(true);
    logger.detachAppender(logged);
    Logging.level(levelBefore);
  }

  private static Logger root() {
    return (Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
  }

  private List<String> lines() {
    List<String> lines =
        logged.list.stream().map(ILoggingEvent::getFormattedMessage).collect(Collectors.toList());
    logged.list.clear();
    return lines;
  }

  @Test
  void saysNothingIfNothingHasChanged() {
    reloader.reload(() -> sample(1, 1));
    assertThat(lines()).isEmpty();
    assertThat(applied).isEqualTo(1);
  }

  @Test
  void saysWhatChangesAtOnceSinceTheLastTime() {
    reloader.reload(() -> sample(2, 1));
    assertThat(lines()).containsExactly("config.reloaded changed=--limit");
    reloader.reload(() -> sample(2, 1));
    assertThat(lines()).isEmpty();
    reloader.reload(() -> sample(1, 1));
    assertThat(lines()).containsExactly("config.reloaded changed=--limit");
    assertThat(applied).isEqualTo(1);
  }

  @Test
  void saysWhatNeedsARestartSinceTheStart() {
    reloader.reload(() -> sample(1, 2));
    assertThat(lines()).containsExactly("config.needs_restart changed=--port");
    reloader.reload(() -> sample(1, 2));
    assertThat(lines()).as("still so").containsExactly("config.needs_restart changed=--port");
    reloader.reload(() -> sample(1, 1));
    assertThat(lines()).isEmpty();
  }

  @Test
  void changesTheLogLevel() {
    reloader.reload(() -> sample(2, 1, Level.WARN));
    assertThat(root().getLevel()).hasToString("WARN");
    reloader.reload(() -> sample(2, 1, Level.DEBUG));
    assertThat(root().getLevel()).hasToString("DEBUG");
    assertThat(lines()).containsExactly("config.reloaded changed=--log-level");
  }

  @Test
  void keepsAllIfItCannotBeReadOrApplied() {
    reloader.reload(
        () -> {
          throw new IllegalArgumentException("--limit must be a number");
        });
    reloader.reload(() -> sample(99, 2, Level.ERROR));
    assertThat(lines())
        .containsExactly(
            "config.kept cause=\"--limit must be a number\"",
            "config.kept cause=\"port 99 is in use\"");
    assertThat(root().getLevel()).hasToString("INFO");
    reloader.reload(() -> sample(1, 1));
    assertThat(lines()).as("as at start").isEmpty();
  }
}
