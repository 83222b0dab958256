package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Free ports below the ephemeral range: a dial to a stopped relay cannot connect to itself
 * (simultaneous open, RFC 9293, 3.5).
 */
public final class Ports {

  private static final int FIRST = 20_000;
  private static final int LAST = 31_999;

  private Ports() {}

  /** A port without a listener. */
  public static int free() {
    for (int i = 0; i < 1_000; i++) {
      int port = ThreadLocalRandom.current().nextInt(FIRST, LAST + 1);
      try (ServerSocket socket = new ServerSocket()) {
        socket.bind(new InetSocketAddress((InetAddress) null, port));
        return port;
      } catch (IOException ignored) {
        // In use.
      }
    }
    throw new AssertionError("no free port");
  }
}
