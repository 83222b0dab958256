package io.c2crelay.relay.agents;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.auth.Authenticator;
import io.c2crelay.relay.auth.HandshakeGuard;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.auth.VersionRefuser;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.AuthRefusal;
import io.c2crelay.relay.events.RelayEvents.ConnectionRefusal;
import io.c2crelay.relay.session.DataConnectionHandler;
import io.c2crelay.relay.session.Dispatchers;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.socket.SocketChannel;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Builds the pipelines of agents' connections.
 *
 * <pre>
 * until something follows the preamble: guard
 * control, in handshake:      guard, tls, decoder, encoder, handshake
 * control, authenticated:            tls, decoder, encoder, heartbeat, control
 * data, until CLAIM is good:  guard, tls, decoder, encoder, data
 * data, warm:                        tls, decoder, encoder, data
 * data, session starting:            tls, decoder, encoder, early-data, framed-leg
 * data, session:                     tls, decoder, encoder, framed-leg
 * </pre>
 *
 * <p>For an agent that begins with TLS, {@code tls-first} precedes all of them, and {@code
 * outer-guard} precedes it as long as there is a {@code guard}.
 */
public final class AgentConnections {
  private final RelayTls tls;
  private final Authenticator authenticator;
  private final Map<ServiceName, AgentRegistry> registries;
  private final Dispatchers dispatchers;
  private final BridgeSettings bridgeSettings;
  private final AgentAddresses addresses;
  private final RelayEvents events;
  private final ConnectionLimit<HandshakeGuard> handshakes = HandshakeGuard.newLimit();
  private final ConnectionLimit<HandshakeGuard> agentNetworkHandshakes =
      HandshakeGuard.newAgentNetworkLimit();
  private final AtomicLong lastAgentNumber = new AtomicLong();

  /**
   * @param authenticator has keys for the services of {@code registries}
   * @param registries the agent registry of each service
   */
  public AgentConnections(
      RelayTls tls,
      Authenticator authenticator,
      Map<ServiceName, AgentRegistry> registries,
      Dispatchers dispatchers,
      BridgeSettings bridgeSettings,
      AgentAddresses addresses,
      RelayEvents events) {
    this.tls = requireNonNull(tls, "tls");
    this.authenticator = requireNonNull(authenticator, "authenticator");
    this.registries = requireNonNull(registries, "registries");
    this.dispatchers = requireNonNull(dispatchers, "dispatchers");
    this.bridgeSettings = requireNonNull(bridgeSettings, "bridgeSettings");
    this.addresses = requireNonNull(addresses, "addresses");
    this.events = requireNonNull(events, "events");
  }

  /** The number of handshakes in progress, as {@code key=value} for the log. On any thread. */
  public String stats() {
    return "handshakes=" + (handshakes.size() + agentNetworkHandshakes.size());
  }

  /** Bounds a connection that sent the magic until it is authenticated. On the channel's loop. */
  public void guard(SocketChannel channel, ClientAddress client) {
    ConnectionLimit<HandshakeGuard> limit =
        addresses.isAttached(client.network()) ? agentNetworkHandshakes : handshakes;
    channel.pipeline().addLast("guard", new HandshakeGuard(channel, client, limit, events));
  }

  /** Adds TLS for an agent that begins with it, before the preamble. On the channel's loop. */
  public void acceptTlsFirst(SocketChannel channel) {
    channel.config().setAllowHalfClosure(false);
    HandshakeGuard guard = channel.pipeline().get(HandshakeGuard.class);
    channel
        .pipeline()
        .addBefore("guard", "outer-guard", guard.newOuterGuard())
        .addBefore("guard", "tls-first", tls.newHandler(channel));
  }

  /** Adds the handlers for the connection kind of the preamble. On the channel's loop. */
  public void accept(SocketChannel channel, ClientAddress client, Preamble preamble) {
    ChannelPipeline pipeline = channel.pipeline();
    if (!preamble.hasCommonVersion()) {
      pipeline.addLast("refuser", new VersionRefuser(channel, client, preamble, events));
      return;
    }
    if (preamble.kind() == Preamble.Kind.PLAIN_DATA) {
      events.connectionRefused(client.remote(), ConnectionRefusal.PLAIN_DATA);
      channel.close();
      return;
    }
    channel.config().setAllowHalfClosure(false);
    HandshakeGuard guard = pipeline.get(HandshakeGuard.class);
    guard.onFirstBytes(() -> addHandlers(channel, client, preamble, guard));
  }

  /** Runs at the first bytes after the preamble: a preamble alone must not cost a TLS engine. */
  private void addHandlers(
      SocketChannel channel, ClientAddress client, Preamble preamble, HandshakeGuard guard) {
    boolean control = preamble.kind() == Preamble.Kind.CONTROL;
    ChannelPipeline pipeline = channel.pipeline();
    pipeline
        .addLast("tls", tls.newHandler(channel))
        .addLast("decoder", control ? FrameDecoder.ofControl() : FrameDecoder.ofData())
        .addLast("encoder", FrameEncoder.INSTANCE);
    if (control) {
      Sockets.tuneControl(channel);
      pipeline.addLast(
          "handshake",
          authenticator.newHandshake(
              preamble,
              client,
              (auth, key) -> {
                guard.admitted();
                begin(channel, client, auth, key);
              }));
    } else {
      pipeline.addLast(
          "data",
          new DataConnectionHandler(
              channel, client, dispatchers, bridgeSettings, events, guard::admitted));
    }
  }

  private void begin(
      SocketChannel channel, ClientAddress client, Frame.Auth auth, KeyRing.Entry key) {
    String name = "a" + lastAgentNumber.incrementAndGet();
    AgentRegistry registry = registries.get(auth.service());
    if (registry == null) { // removed since the agent was authenticated
      events.authRefused(client.remote(), auth.service(), AuthRefusal.UNKNOWN_SERVICE);
      channel.close();
      return;
    }
    new ControlHandler(channel, client, name, auth, key, registry, events).begin();
  }
}
