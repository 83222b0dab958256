/**
 * What both commands share: reading the command line, the key and its sources, logging, stopping on
 * signals, exit codes.
 *
 * <p>No argument is ever repeated in a message, since any argument may be a key put in the wrong
 * place.
 */
package io.c2crelay.common.cli;
