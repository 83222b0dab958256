package io.c2crelay.common.protocol;

import io.netty.handler.codec.DecoderException;

/**
 * The peer broke the protocol. Carries no stack: the cause is in the bytes, and hostile input must
 * be cheap to refuse.
 */
public final class ProtocolException extends DecoderException {
  private static final long serialVersionUID = 1L;

  /**
   * @param message what was wrong, without any byte of the peer's payload
   */
  public ProtocolException(String message) {
    super(message);
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
