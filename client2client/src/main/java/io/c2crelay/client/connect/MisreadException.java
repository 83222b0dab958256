package io.c2crelay.client.connect;

import io.netty.handler.ssl.NotSslRecordException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * What came back is neither TLS nor a refusal: the relay took the connection for a user's, as may
 * happen when the preamble is late. Carries no stack.
 */
public final class MisreadException extends Exception {
  private static final long serialVersionUID = 1L;

  MisreadException() {
    super(
        "what answers there is no relay, or took this connection for a user's", null, false, false);
  }

  /**
   * Whether a connection that failed before it was authenticated may have been misread: this, or a
   * reset.
   */
  public static boolean isCauseOf(@Nullable Throwable failure) {
    return failure instanceof MisreadException
        || failure instanceof NotSslRecordException
        || (failure instanceof IOException
            && !(failure instanceof SSLException)
            && !(failure instanceof ClosedChannelException));
  }
}
