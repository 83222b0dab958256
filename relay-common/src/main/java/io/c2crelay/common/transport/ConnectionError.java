package io.c2crelay.common.transport;

/**
 * A user event: the kernel reports an error of a connection that is still open here, a reset most
 * likely. What was received before can still be read; nothing can be written.
 */
public enum ConnectionError {
  INSTANCE
}
