package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Free ports, below those the kernel gives out by itself: a dial to a dead relay cannot meet itself
 * there.
 */
public final class Ports {

  private static final int FIRST = 20_000;
  private static final int LAST = 31_999;

  private Ports() {}

  /** A port on which nobody listens now. */
  public static int free() {
    for (int i = 0; i < 1_000; i++) {
      int port = ThreadLocalRandom.current().nextInt(FIRST, LAST + 1);
      try (ServerSocket socket = new ServerSocket()) {
        socket.bind(new InetSocketAddress((InetAddress) null, port));
        return port;
      } catch (IOException taken) {
        // Try another.
      }
    }
    throw new AssertionError("no free port");
  }
}
