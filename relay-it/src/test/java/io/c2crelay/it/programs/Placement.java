package io.c2crelay.it.programs;

import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/**
 * Where the agent is, as the relay sees it, beside the users, who are all on 127.0.0.1. It matters
 * to users that wait for the target to speak: from an agent's address, such a connection might be
 * that agent's own late dial.
 */
enum Placement {
  /** On the users' address, as behind one NAT. */
  TOGETHER("127.0.0.1"),
  /** On an address where no user is. */
  APART("::1");

  static final String USERS = "127.0.0.1";

  private final String agent;

  Placement(String agent) {
    this.agent = agent;
  }

  /** The agent's address. */
  String agent() {
    return agent;
  }

  /** A pair placed like this. */
  Pair start(Harness harness, int targetPort, String... relayOptions) {
    return Pair.of(harness, targetPort)
        .relayHost(agent)
        .relayOptions("--log-level", "debug")
        .relayOptions(relayOptions)
        .agentOptions("--log-level", "debug")
        .start();
  }

  boolean isPossibleHere() {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName(agent))) {
      return free.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
