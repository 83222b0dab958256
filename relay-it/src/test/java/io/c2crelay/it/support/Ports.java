package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.ThreadLocalRandom;

/** Ports of this host. */
public final class Ports {

  /**
   * Below the ephemeral range: a dial to a stopped relay cannot connect to itself (simultaneous
   * open, RFC 9293, 3.5).
   */
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

  /** Whether something on IPv4 loopback accepts connections at this port. */
  public static boolean isListening(int port) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
      return true;
    } catch (IOException refused) {
      return false;
    }
  }
}
