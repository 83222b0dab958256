package io.c2crelay.common.transport;

import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Identifies the error of a failed socket call. Uses the error number if Netty's native transports
 * report one, because the system's text depends on the locale and Netty appends the address to it.
 */
public final class SystemError {
  private static final Pattern NUMBER =
      Pattern.compile("^\\w+\\(\\.\\.\\) failed with error\\(-(\\d+)\\)");

  private static final int EPIPE = 32;
  private static final int ECONNRESET_LINUX = 104;
  private static final int ECONNREFUSED_LINUX = 111;
  private static final int ECONNREFUSED_BSD = 61;

  private SystemError() {}

  /** Whether Linux reported ECONNRESET. */
  static boolean isReset(Throwable cause) {
    return number(cause) == ECONNRESET_LINUX;
  }

  /** Whether the peer refused a connect. */
  public static boolean isRefused(Throwable cause) {
    int number = number(cause);
    return number == 0
        // the JDK has a separate class for unreachable hosts
        ? cause instanceof ConnectException && !(cause instanceof NoRouteToHostException)
        : number == ECONNREFUSED_LINUX || number == ECONNREFUSED_BSD;
  }

  /**
   * Whether a write failed with EPIPE rather than ECONNRESET, which Linux reports if the reset
   * followed a FIN. With NIO in English locales only.
   */
  public static boolean isBrokenPipe(@Nullable Throwable cause) {
    Throwable inner = cause;
    while (inner != null && inner.getCause() != null) {
      inner = inner.getCause();
    }
    return inner != null
        && (number(inner) == EPIPE || String.valueOf(inner.getMessage()).contains("Broken pipe"));
  }

  /** The error number; 0 if there is none. */
  private static int number(Throwable cause) {
    Matcher matcher = NUMBER.matcher(String.valueOf(cause.getMessage()));
    return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
  }
}
