package io.c2crelay.common.protocol;

import io.netty.handler.codec.DecoderException;

/**
 * The peer violated the protocol. Has no stack trace: invalid input must be cheap to reject, and
 * the cause is in the input.
 */
public final class ProtocolException extends DecoderException {
  private static final long serialVersionUID = 1L;

  /**
   * @param message the violation, without bytes of the peer's payload
   */
  public ProtocolException(String message) {
    super(message);
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
