package io.c2crelay.common.cli;

import java.io.PrintStream;
import java.util.Map;

/**
 * A command whose picocli fields the {@link CliRunner} fills before it calls the methods below, in
 * this order and on one thread.
 *
 * @param <C> its configuration
 */
public interface CliCommand<C> {

  /** The options both commands have. */
  SharedOptions shared();

  /**
   * Turns the parsed fields into a configuration.
   *
   * @param env the environment
   * @throws IllegalArgumentException if the command line is wrong; the message is shown, so it
   *     holds no argument
   * @throws StartupException if the machine refuses, as with an unreadable key file
   */
  C config(Map<String, String> env) throws StartupException;

  /**
   * Starts the work.
   *
   * @param out standard output
   * @throws StartupException if the machine refuses
   */
  Running start(C config, PrintStream out) throws StartupException;
}
