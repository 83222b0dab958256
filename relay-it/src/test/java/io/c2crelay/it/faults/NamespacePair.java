package io.c2crelay.it.faults;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ledger;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.net.InetSocketAddress;
import java.time.Duration;

/** A relay and an agent in network namespaces, with a target in the test's own namespace. */
final class NamespacePair {

  /** The default of Linux: a connection times out after about 15 minutes without an ACK. */
  static final int DEFAULT_RETRIES = 15;

  /** A connection times out after 12.6 s without an ACK. */
  static final int FEW_RETRIES = 5;

  /** The kernel detects the time-out at the next retransmission, up to 25 s after the cut. */
  static final Duration FEW_RETRIES_TIMEOUT = Duration.ofSeconds(30);

  final Ledger ledger;
  final Target target;
  final RelayProcess relay;
  final AgentProcess agent;

  private final Harness harness;
  private final Host relayHost;
  private final Host agentHost;

  /**
   * @param relayAddress the address that the agent dials
   */
  NamespacePair(
      Harness harness,
      Namespaces network,
      Host relayHost,
      Host agentHost,
      String relayAddress,
      Ledger ledger,
      String... relayOptions) {
    this.harness = harness;
    this.relayHost = relayHost;
    this.agentHost = agentHost;
    this.ledger = ledger;
    String targetAddress =
        agentHost.equals(network.here())
            ? "127.0.0.1"
            : network.cable(network.here(), agentHost).address(network.here());
    target = harness.keep(Target.start(new InetSocketAddress(targetAddress, 0), ledger));
    String key = Harness.newKey();
    relay =
        harness.relay(
            Launch.relay("0", "--log-level", "debug")
                .arguments(relayOptions)
                .key(key)
                .wrappedIn(relayHost.exec()));
    agent =
        harness.agent(
            Launch.agent(
                    targetAddress + ":" + target.port(),
                    relayAddress,
                    Integer.toString(relay.port()),
                    "--log-level",
                    "debug")
                .key(key)
                .wrappedIn(agentHost.exec()));
    agent.awaitReady();
  }

  /** Sets the number of TCP retransmissions of relay and agent (tcp_retries2 in tcp(7)). */
  void setRetries(int retries) {
    relayHost.set("tcp_retries2", retries);
    agentHost.set("tcp_retries2", retries);
  }

  TcpEnd user(String relayAddress) {
    return harness.keep(TcpEnd.connect(new InetSocketAddress(relayAddress, relay.port())));
  }

  /** Fails unless the target got only correct bytes and all counts return to those of idle. */
  void awaitIdle(Duration timeout) {
    ledger.check();
    relay.awaitCounts(
        timeout,
        "agents=1",
        "tokens=0",
        "waiting=0",
        "sessions=0",
        "handshakes=0",
        "unidentified=0",
        "buffered=0");
    agent.awaitCounts(timeout, "sessions=0", "buffered=0");
  }
}
