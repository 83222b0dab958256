package io.c2crelay.it.support;

/** How a TCP connection ended, as its reader saw it. */
public enum Ending {
  /** End of stream. */
  FIN,
  /** Connection reset. */
  RESET
}
