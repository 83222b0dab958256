package io.c2crelay.common.transport;

/**
 * A user event: the kernel reports an error, usually a reset, on a channel that is still open.
 * Received bytes can still be read; writes fail.
 */
public enum ConnectionError {
  INSTANCE
}
