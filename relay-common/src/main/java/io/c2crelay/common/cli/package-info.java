/**
 * The command line of both programs: arguments, key sources, stop signals and exit codes.
 *
 * <p>Messages never repeat an argument, since any argument may be a misplaced key.
 */
package io.c2crelay.common.cli;
