package io.c2crelay.it.faults;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.SequenceEchoTarget;
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

  final SequenceEchoTarget echoTarget;
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
      SequenceEchoTarget echoTarget,
      String... relayOptions) {
    this.harness = harness;
    this.relayHost = relayHost;
    this.agentHost = agentHost;
    this.echoTarget = echoTarget;
    String targetAddress =
        agentHost.equals(network.testHost())
            ? "127.0.0.1"
            : network.veth(network.testHost(), agentHost).address(network.testHost());
    Target target = harness.keep(Target.start(new InetSocketAddress(targetAddress, 0), echoTarget));
    Pair pair =
        Pair.of(harness, targetAddress + ":" + target.port())
            .relayHost(relayAddress)
            .relayOptions(relayOptions)
            .relay(launch -> launch.debug().wrappedIn(relayHost.exec()))
            .agent(launch -> launch.debug().wrappedIn(agentHost.exec()))
            .start();
    relay = pair.relay();
    agent = pair.agent();
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
    echoTarget.assertNoErrors();
    relay.awaitIdle(timeout, "agents=1", "tokens=0");
    agent.awaitIdle(timeout);
  }
}
