package io.c2crelay.agent.data;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;

/** Receives the failures of dial requests. */
@FunctionalInterface
public interface DialFailureListener {
  /** The dial for a token has failed. On the control connection's event loop. */
  void failed(Token token, ReasonCode reason);
}
