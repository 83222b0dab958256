package io.c2crelay.client.data;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.Token;

/** Hears of dials that did not work. */
@FunctionalInterface
public interface DialReport {
  /** The dial of a token is given up. On any thread. */
  void failed(Token token, ReasonCode reason);
}
