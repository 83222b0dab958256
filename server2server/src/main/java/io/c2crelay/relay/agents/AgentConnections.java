package io.c2crelay.relay.agents;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.address.ConnectionLimit;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.events.RelayEvents.ConnectionRefusal;
import io.c2crelay.relay.session.DataConnectionHandler;
import io.c2crelay.relay.session.Dispatcher;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.concurrent.EventExecutor;
import java.security.SecureRandom;
import java.util.concurrent.CompletableFuture;
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
 * data, session starting:            tls, decoder, encoder, start-gate, framed-leg
 * data, session:                     tls, decoder, encoder, framed-leg
 * </pre>
 */
public final class AgentConnections {
  private final RelayTls tls;
  private final byte[] binding;
  private final CompletableFuture<MutualAuth> mutualAuth;
  private final Dispatcher dispatcher;
  private final BridgeSettings bridgeSettings;
  private final AgentAddresses addresses;
  private final SecureRandom random;
  private final RelayEvents events;
  private final AgentRegistry registry;
  private final AuthThrottle throttle = new AuthThrottle();
  private final ConnectionLimit<HandshakeGuard> handshakes = HandshakeGuard.newLimit();
  private final ConnectionLimit<HandshakeGuard> agentNetworkHandshakes =
      HandshakeGuard.newAgentNetworkLimit();
  private final AtomicLong lastAgentNumber = new AtomicLong();

  /**
   * @param binding the channel binding of the certificate in {@code tls}: SHA-256 of its DER form
   * @param mutualAuth completes when the key is derived; an earlier AUTH waits for it
   * @param dispatcherLoop the event loop of {@code dispatcher}
   */
  public AgentConnections(
      RelayTls tls,
      byte[] binding,
      CompletableFuture<MutualAuth> mutualAuth,
      Dispatcher dispatcher,
      EventExecutor dispatcherLoop,
      BridgeSettings bridgeSettings,
      AgentAddresses addresses,
      SecureRandom random,
      RelayEvents events) {
    this.tls = requireNonNull(tls, "tls");
    this.binding = binding.clone();
    this.mutualAuth = requireNonNull(mutualAuth, "mutualAuth");
    this.dispatcher = requireNonNull(dispatcher, "dispatcher");
    this.bridgeSettings = requireNonNull(bridgeSettings, "bridgeSettings");
    this.addresses = requireNonNull(addresses, "addresses");
    this.random = requireNonNull(random, "random");
    this.events = requireNonNull(events, "events");
    registry = new AgentRegistry(dispatcherLoop, dispatcher, addresses, events);
  }

  /** The number of handshakes in progress, as {@code key=value} for the log. On any thread. */
  public String counts() {
    return "handshakes=" + (handshakes.size() + agentNetworkHandshakes.size());
  }

  /** Bounds a connection that sent the magic until it is authenticated. On the channel's loop. */
  public void guard(SocketChannel channel) {
    ClientNetwork network = ClientNetwork.of(channel.remoteAddress());
    channel
        .pipeline()
        .addLast(
            "guard",
            new HandshakeGuard(
                channel,
                network,
                addresses.isAttached(network) ? agentNetworkHandshakes : handshakes,
                events));
  }

  /** Adds the handlers for the connection kind of the preamble. On the channel's loop. */
  public void accept(SocketChannel channel, Preamble preamble) {
    ChannelPipeline pipeline = channel.pipeline();
    if (!preamble.hasCommonVersion()) {
      pipeline.addLast("refuser", new VersionRefuser(channel, preamble, events));
      return;
    }
    if (preamble.kind() == Preamble.Kind.PLAIN_DATA) {
      events.connectionRefused(channel.remoteAddress(), ConnectionRefusal.PLAIN_DATA);
      channel.close();
      return;
    }
    channel.config().setAllowHalfClosure(false);
    HandshakeGuard guard = pipeline.get(HandshakeGuard.class);
    guard.onFirstBytes(() -> addHandlers(channel, preamble, guard));
  }

  /** Not before the peer sends something: a preamble alone must cost no TLS engine. */
  private void addHandlers(SocketChannel channel, Preamble preamble, HandshakeGuard guard) {
    boolean control = preamble.kind() == Preamble.Kind.CONTROL;
    ChannelPipeline pipeline = channel.pipeline();
    pipeline
        .addLast("tls", tls.newHandler(channel))
        .addLast("decoder", control ? FrameDecoder.ofControl() : FrameDecoder.ofData())
        .addLast("encoder", FrameEncoder.INSTANCE);
    if (control) {
      Sockets.tuneControl(channel);
      ClientNetwork network = ClientNetwork.of(channel.remoteAddress());
      pipeline.addLast("handshake", newHandshake(channel, preamble, network, guard));
    } else {
      pipeline.addLast(
          "data",
          new DataConnectionHandler(channel, dispatcher, bridgeSettings, events, guard::admitted));
    }
  }

  private ControlHandshake newHandshake(
      SocketChannel channel, Preamble preamble, ClientNetwork network, HandshakeGuard guard) {
    return new ControlHandshake(
        preamble,
        binding,
        mutualAuth,
        throttle,
        network,
        random,
        events,
        auth -> {
          guard.admitted();
          begin(channel, network, auth);
        });
  }

  private void begin(SocketChannel channel, ClientNetwork network, Frame.Auth auth) {
    String name = "a" + lastAgentNumber.incrementAndGet();
    new ControlHandler(channel, network, name, auth, registry, events).begin();
  }
}
