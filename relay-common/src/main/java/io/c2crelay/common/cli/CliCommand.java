package io.c2crelay.common.cli;

import java.io.PrintStream;
import java.util.Map;

/**
 * A command. {@link CliRunner} fills its picocli fields and then calls the methods below in this
 * order, on one thread.
 *
 * @param <C> its configuration
 */
public interface CliCommand<C> {

  SharedOptions shared();

  /**
   * Creates the configuration from the parsed fields.
   *
   * @param env the environment
   * @throws IllegalArgumentException if the command line is invalid; the message is shown and must
   *     not repeat an argument
   * @throws StartupException if the system does not allow it, such as for an unreadable key file
   */
  C config(Map<String, String> env) throws StartupException;

  /**
   * Starts the relay or agent.
   *
   * @param out standard output
   * @throws StartupException if the system does not allow it, such as for a port in use
   */
  Running<C> start(C config, PrintStream out) throws StartupException;
}
