package io.c2crelay.it.support;

import java.util.ArrayList;
import java.util.List;

/** A relay and an attached agent with the same key, for one target. */
public final class Pair {

  private final String key;
  private final RelayProcess relay;
  private final AgentProcess agent;

  private Pair(String key, RelayProcess relay, AgentProcess agent) {
    this.key = key;
    this.relay = relay;
    this.agent = agent;
  }

  public static Builder of(Harness harness, Target target) {
    return new Builder(harness, target.port());
  }

  public static Builder of(Harness harness, int targetPort) {
    return new Builder(harness, targetPort);
  }

  public static Pair start(Harness harness, Target target) {
    return of(harness, target).start();
  }

  public String key() {
    return key;
  }

  public RelayProcess relay() {
    return relay;
  }

  public AgentProcess agent() {
    return agent;
  }

  public int port() {
    return relay.port();
  }

  /** Connects a user. */
  public TcpEnd user() {
    return TcpEnd.connect(relay.port());
  }

  /** Configures and starts both processes. */
  public static final class Builder {
    private final Harness harness;
    private final int targetPort;
    private final String key = Harness.newKey();
    private final List<String> relayOptions = new ArrayList<>();
    private final List<String> agentOptions = new ArrayList<>();
    private String relayHost = "127.0.0.1";

    private Builder(Harness harness, int targetPort) {
      this.harness = harness;
      this.targetPort = targetPort;
    }

    public Builder relayOptions(String... options) {
      relayOptions.addAll(List.of(options));
      return this;
    }

    public Builder agentOptions(String... options) {
      agentOptions.addAll(List.of(options));
      return this;
    }

    /** The host at which the agent dials the relay. */
    public Builder relayHost(String host) {
      relayHost = host;
      return this;
    }

    /** Starts both processes; returns when the agent is attached. */
    public Pair start() {
      RelayProcess relay = harness.relay(key, relayOptions.toArray(new String[0]));
      AgentProcess agent =
          harness.agent(
              Launch.agent(Integer.toString(targetPort), relayHost, Integer.toString(relay.port()))
                  .arguments(agentOptions.toArray(new String[0]))
                  .key(key));
      agent.awaitReady();
      return new Pair(key, relay, agent);
    }
  }
}
