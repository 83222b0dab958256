package io.c2crelay.agent.connect;

import io.netty.handler.proxy.ProxyConnectException;
import io.netty.handler.ssl.NotSslRecordException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * The peer answered with neither TLS nor a version refusal: it is not a relay, or it classified the
 * connection as a user's, for example because the preamble was late. Has no stack trace.
 */
public final class MisclassifiedException extends Exception {
  private static final long serialVersionUID = 1L;

  MisclassifiedException() {
    super("not a relay, or it classified this connection as a user's", null, false, false);
  }

  /**
   * Whether a connection that failed before authentication may have been misclassified: the peer
   * did not speak TLS, or reset the connection.
   */
  public static boolean isCauseOf(@Nullable Throwable failure) {
    return failure instanceof MisclassifiedException
        || failure instanceof NotSslRecordException
        || (failure instanceof IOException
            && !(failure instanceof SSLException)
            && !(failure instanceof ProxyConnectException)
            && !(failure instanceof ClosedChannelException));
  }
}
