package io.c2crelay.client.connect;

/**
 * What came back is neither TLS nor a refusal: the relay took the connection for a user's, as may
 * happen when the preamble is late. Carries no stack.
 */
public final class MisreadException extends Exception {
  private static final long serialVersionUID = 1L;

  MisreadException() {
    super("taken for a user", null, false, false);
  }
}
