package io.c2crelay.it.support;

/** How a TCP connection ended, as seen by its reader. */
public enum Ending {
  /** End of stream. */
  FIN,
  /** Connection reset. */
  RESET
}
