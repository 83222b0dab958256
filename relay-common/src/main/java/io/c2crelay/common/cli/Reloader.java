package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.Logging;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Handles SIGHUP: reads the configuration again, applies all or none of it, and logs the changes.
 *
 * @param <C> the configuration
 */
public final class Reloader<C extends Reloader.Config<C>> {
  private static final Logger log = LoggerFactory.getLogger(Reloader.class);

  /** A configuration that can be compared with a later one. Immutable. */
  public interface Config<C> {
    /** The settings that both programs have. */
    SharedSettings shared();

    /** Adds the options that differ in another configuration. */
    void compare(C next, ConfigChanges changes);
  }

  /** Reads the configuration: command line, environment and files. */
  public interface Source<C> {
    /**
     * Reads the configuration.
     *
     * @throws StartupException if a file cannot be read
     * @throws IllegalArgumentException if a value is invalid
     */
    C read() throws StartupException;
  }

  /** The program that uses the configuration. */
  public interface Target<C> {
    /**
     * Applies another configuration, or fails and keeps the current one.
     *
     * @throws StartupException if the system does not allow it, such as for a port in use
     */
    void apply(C next) throws StartupException;
  }

  private final C atStart;
  private final Target<C> target;
  private C current;

  /** Creates a reloader for a program that was started with {@code atStart}. */
  public Reloader(C atStart, Target<C> target) {
    this.atStart = requireNonNull(atStart, "atStart");
    this.target = requireNonNull(target, "target");
    current = atStart;
  }

  /**
   * Reads and applies the configuration. Blocks on files: call it on any thread but an event loop.
   */
  public synchronized void reload(Source<C> source) {
    C next;
    try {
      next = source.read();
      target.apply(next);
    } catch (StartupException | IllegalArgumentException e) {
      log.error("config.kept cause={}", LogText.value(e.getMessage()));
      return;
    }
    Logging.level(next.shared().logLevel());
    List<String> changed = changes(current, next).atOnce();
    if (!changed.isEmpty()) {
      log.info("config.reloaded changed={}", LogText.value(String.join(" ", changed)));
    }
    List<String> needRestart = changes(atStart, next).needRestart();
    if (!needRestart.isEmpty()) {
      log.warn("config.needs_restart changed={}", LogText.value(String.join(" ", needRestart)));
    }
    current = next;
  }

  private static <C extends Config<C>> ConfigChanges changes(C before, C after) {
    ConfigChanges changes = new ConfigChanges();
    before.compare(after, changes);
    before.shared().compare(after.shared(), changes);
    return changes;
  }
}
