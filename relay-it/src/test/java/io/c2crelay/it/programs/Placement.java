package io.c2crelay.it.programs;

import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/**
 * The agent's address, relative to the users, which are all on 127.0.0.1. It matters for users that
 * wait for the target to send first: a silent connection from an agent's address may be a data
 * connection with a late preamble.
 */
enum Placement {
  /** The users' address, as behind one NAT. */
  SAME_ADDRESS("127.0.0.1"),
  /** An address without users. */
  OTHER_ADDRESS("::1");

  static final String USERS = "127.0.0.1";

  private final String agent;

  Placement(String agent) {
    this.agent = agent;
  }

  String agent() {
    return agent;
  }

  Pair start(Harness harness, int targetPort, String... relayOptions) {
    return Pair.of(harness, targetPort)
        .relayHost(agent)
        .both(Launch::debug)
        .relayOptions(relayOptions)
        .start();
  }

  boolean isAvailable() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(agent))) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
