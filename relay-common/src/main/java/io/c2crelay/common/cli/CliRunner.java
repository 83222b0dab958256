package io.c2crelay.common.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import io.c2crelay.common.logging.Journal;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.Logging;
import io.netty.util.concurrent.Future;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/**
 * Runs a command from arguments to exit code: parse, configure, start, wait for a stop signal,
 * drain. Tests inject the environment, the streams and the stop request.
 */
public final class CliRunner {
  /** Exit code after help, version or a clean stop. */
  public static final int OK = 0;

  /** Exit code after a startup failure or an unexpected error. */
  public static final int FAILED = 1;

  /** Exit code for an invalid command line. */
  public static final int USAGE = 2;

  /** Time beyond {@code --drain} to close connections and event loops. */
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(10);

  private static final Logger LOG = LoggerFactory.getLogger(CliRunner.class);

  private final Map<String, String> env;
  private final PrintStream out;
  private final PrintStream err;
  private final StopRequest stop;

  public CliRunner(Map<String, String> env, PrintStream out, PrintStream err, StopRequest stop) {
    this.env = requireNonNull(env, "env");
    this.out = requireNonNull(out, "out");
    this.err = requireNonNull(err, "err");
    this.stop = requireNonNull(stop, "stop");
  }

  /** Runs {@code command} and ends the process. */
  public static void main(CliCommand<?> command, String... args) {
    StopSignals signals = StopSignals.install(); // first, so that no signal is missed
    CliRunner runner = new CliRunner(System.getenv(), System.out, System.err, signals);
    int code = runner.run(command, args);
    Logging.flush();
    signals.finished();
    System.exit(code);
  }

  /**
   * Runs {@code command} and blocks until it has ended.
   *
   * @return the exit code
   */
  public <C> int run(CliCommand<C> command, String... args) {
    CommandLine parser = Arguments.parser(command);
    parser.setOut(new PrintWriter(new OutputStreamWriter(out, UTF_8), true));
    String name = parser.getCommandName();
    try {
      C config;
      try {
        if (!parse(parser, args)) {
          return OK;
        }
        Logging.level(command.shared().logLevel);
        Logging.format(command.shared().logFormat);
        config = command.config(env);
        DescriptorLimit.check();
        if (command.shared().check) {
          out.println(name + ": the configuration is valid");
          return OK;
        }
      } catch (ParameterException e) {
        return fail(name, Arguments.describe(e), USAGE);
      } catch (IllegalArgumentException e) {
        return fail(name, String.valueOf(e.getMessage()), USAGE);
      }
      return startAndDrain(parser, command, config, args);
    } catch (StartupException e) {
      return fail(name, LogText.safe(e.getMessage()), FAILED);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return FAILED;
    } catch (RuntimeException | Error e) {
      LOG.error("unexpected", e);
      return FAILED;
    }
  }

  /** Returns false if help was requested and printed. */
  private boolean parse(CommandLine parser, String... args) throws StartupException {
    Arguments.validate(parser.getCommandSpec(), args);
    String[] complete = ArgumentSources.complete(parser.getCommandSpec(), env, args);
    return !CommandLine.printHelpIfRequested(parser.parseArgs(complete));
  }

  private <C> C readAgain(CommandLine parser, CliCommand<C> command, String... args)
      throws StartupException {
    try {
      parse(parser, args);
      return command.config(env);
    } catch (ParameterException e) {
      throw new IllegalArgumentException(Arguments.describe(e), null); // no cause: it has the value
    }
  }

  private <C> int startAndDrain(CommandLine parser, CliCommand<C> command, C config, String... args)
      throws StartupException, InterruptedException {
    Duration drainLimit = Checks.drain(command.shared().drain);
    Running<C> running = command.start(config, out);
    Consumer<Reloader.Source<C>> reload = running.reload();
    if (reload != null) {
      stop.onSignal("HUP", () -> reload.accept(() -> readAgain(parser, command, args)));
    }
    running.onSignal().forEach(stop::onSignal);
    stop.await();
    CountDownLatch drained = new CountDownLatch(1);
    Future<Void> drain = running.drain();
    drain.addListener(done -> drained.countDown());
    boolean inTime =
        drained.await(drainLimit.plus(CLOSE_TIMEOUT).toMillis(), TimeUnit.MILLISECONDS);
    if (!inTime || !drain.isSuccess()) {
      LOG.error("drain.failed", drain.cause());
      return FAILED;
    }
    return OK;
  }

  private int fail(String name, String message, int code) {
    String prefix = Journal.errorPrefix(env);
    err.println(prefix + name + ": " + message);
    if (code == USAGE) {
      err.println(prefix + "Try --help for usage.");
    }
    err.flush();
    return code;
  }
}
