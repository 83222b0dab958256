package io.c2crelay.it.support;

import java.util.function.Consumer;

/** A relay and an attached agent with the same key, for one target. */
public final class Pair {

  private final String key;
  private final RelayProcess relay;
  private final AgentProcess agent;
  private final FaultProxy network;

  private Pair(String key, RelayProcess relay, AgentProcess agent, FaultProxy network) {
    this.key = key;
    this.relay = relay;
    this.agent = agent;
    this.network = network;
  }

  public static Builder of(Harness harness, Target target) {
    return of(harness, target.port());
  }

  public static Builder of(Harness harness, int targetPort) {
    return of(harness, Integer.toString(targetPort));
  }

  /**
   * @param target as on the agent's command line
   */
  public static Builder of(Harness harness, String target) {
    return new Builder(harness, target);
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

  /** Between agent and relay; null without {@link Builder#throughProxy}. */
  public FaultProxy network() {
    return network;
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
    private final String target;
    private Consumer<Launch> relayLaunch = launch -> {};
    private Consumer<Launch> agentLaunch = launch -> {};
    private String relayHost = "127.0.0.1";
    private boolean throughProxy;

    private Builder(Harness harness, String target) {
      this.harness = harness;
      this.target = target;
    }

    /** Changes how the relay is started. */
    public Builder relay(Consumer<Launch> change) {
      relayLaunch = relayLaunch.andThen(change);
      return this;
    }

    /** Changes how the agent is started. */
    public Builder agent(Consumer<Launch> change) {
      agentLaunch = agentLaunch.andThen(change);
      return this;
    }

    public Builder both(Consumer<Launch> change) {
      return relay(change).agent(change);
    }

    public Builder relayOptions(String... options) {
      return relay(launch -> launch.arguments(options));
    }

    public Builder agentOptions(String... options) {
      return agent(launch -> launch.arguments(options));
    }

    /** The host at which the agent dials the relay. */
    public Builder relayHost(String host) {
      relayHost = host;
      return this;
    }

    /** The agent dials a {@link FaultProxy} in front of the relay. */
    public Builder throughProxy() {
      throughProxy = true;
      return this;
    }

    /** Starts both processes; returns when the agent is attached. */
    public Pair start() {
      String key = Harness.newKey();
      Launch forRelay = Launch.relay("0").key(key);
      relayLaunch.accept(forRelay);
      RelayProcess relay = harness.relay(forRelay);
      FaultProxy network = throughProxy ? harness.keep(FaultProxy.to(relay)) : null;
      int port = throughProxy ? network.port() : relay.port();
      Launch forAgent = Launch.agent(target, relayHost, Integer.toString(port)).key(key);
      agentLaunch.accept(forAgent);
      AgentProcess agent = harness.agent(forAgent);
      agent.awaitReady();
      return new Pair(key, relay, agent, network);
    }
  }
}
