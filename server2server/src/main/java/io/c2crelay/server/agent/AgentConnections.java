package io.c2crelay.server.agent;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.logging.LogThrottle;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.splice.SpliceSettings;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.AgentAddresses;
import io.c2crelay.server.session.ConnectionLimit;
import io.c2crelay.server.session.DataConnectionHandler;
import io.c2crelay.server.session.SessionBroker;
import io.c2crelay.server.session.Source;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.concurrent.EventExecutor;
import java.security.SecureRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Builds the pipelines of agents' connections, once their preamble is read.
 *
 * <pre>
 * magic received:             guard
 * control, in handshake:      guard, tls, decoder, encoder, handshake
 * control, authenticated:            tls, decoder, encoder, heartbeat, control
 * data, until TOKEN is good:  guard, tls, decoder, encoder, data
 * data, warm:                        tls, decoder, encoder, data
 * data, session starting:            tls, decoder, encoder, start-gate, framed-leg
 * data, session:                     tls, decoder, encoder, framed-leg
 * </pre>
 */
public final class AgentConnections {
  private static final Logger log = LoggerFactory.getLogger(AgentConnections.class);
  private static final LogThrottle THROTTLE = LogThrottle.of(log, "connection.refused", 10);

  private final RelayTls tls;
  private final byte[] binding;
  private final CompletableFuture<MutualAuth> mutualAuth;
  private final SessionBroker broker;
  private final SpliceSettings spliceSettings;
  private final AgentAddresses addresses;
  private final SecureRandom random;
  private final AgentRegistry registry;
  private final AuthThrottle throttle = new AuthThrottle();
  private final ConnectionLimit<HandshakeGuard> strangers = HandshakeGuard.limitOfStrangers();
  private final ConnectionLimit<HandshakeGuard> neighbours = HandshakeGuard.limitOfNeighbours();
  private final AtomicLong lastName = new AtomicLong();

  /**
   * @param binding of the certificate that {@code tls} shows
   * @param mutualAuth may complete later: an agent that answers before waits for it
   * @param brokerLoop the broker's
   */
  public AgentConnections(
      RelayTls tls,
      byte[] binding,
      CompletableFuture<MutualAuth> mutualAuth,
      SessionBroker broker,
      EventExecutor brokerLoop,
      SpliceSettings spliceSettings,
      AgentAddresses addresses,
      SecureRandom random) {
    this.tls = requireNonNull(tls, "tls");
    this.binding = binding.clone();
    this.mutualAuth = requireNonNull(mutualAuth, "mutualAuth");
    this.broker = requireNonNull(broker, "broker");
    this.spliceSettings = requireNonNull(spliceSettings, "spliceSettings");
    this.addresses = requireNonNull(addresses, "addresses");
    this.random = requireNonNull(random, "random");
    registry = new AgentRegistry(brokerLoop, broker, addresses);
  }

  /** For the log. On any thread. */
  public String counts() {
    return "handshakes=" + (strangers.size() + neighbours.size());
  }

  /**
   * Bounds a connection that has shown the magic, until it is authenticated. On the channel's loop.
   */
  public void guard(SocketChannel channel) {
    Source source = Source.of(channel.remoteAddress());
    channel
        .pipeline()
        .addLast(
            "guard",
            new HandshakeGuard(
                channel, source, addresses.isAttached(source) ? neighbours : strangers));
  }

  /** Adds the handlers for what follows the preamble, behind the guard. On the channel's loop. */
  public void accept(SocketChannel channel, Preamble preamble) {
    ChannelPipeline pipeline = channel.pipeline();
    if (!preamble.hasCommonVersion()) {
      pipeline.addLast("refuser", new VersionRefuser(channel, preamble));
      return;
    }
    if (preamble.kind() == Preamble.Kind.PLAIN_DATA) {
      if (THROTTLE.allows()) {
        log.info(
            "connection.refused from={} reason=PLAIN_DATA", Sockets.text(channel.remoteAddress()));
      }
      channel.close();
      return;
    }
    channel.config().setAllowHalfClosure(false);
    Source source = Source.of(channel.remoteAddress());
    HandshakeGuard guard = pipeline.get(HandshakeGuard.class);
    boolean control = preamble.kind() == Preamble.Kind.CONTROL;
    pipeline
        .addLast("tls", tls.newHandler(channel))
        .addLast("decoder", control ? FrameDecoder.ofControl() : FrameDecoder.ofData())
        .addLast("encoder", FrameEncoder.INSTANCE);
    if (control) {
      Sockets.tuneControl(channel);
      pipeline.addLast("handshake", newHandshake(channel, preamble, source, guard));
    } else {
      pipeline.addLast(
          "data", new DataConnectionHandler(channel, broker, spliceSettings, guard::admitted));
    }
  }

  private ControlHandshake newHandshake(
      SocketChannel channel, Preamble preamble, Source source, HandshakeGuard guard) {
    return new ControlHandshake(
        preamble,
        binding,
        mutualAuth,
        throttle,
        source,
        random,
        auth -> {
          guard.admitted();
          begin(channel, source, auth);
        });
  }

  private void begin(SocketChannel channel, Source source, Frame.Auth auth) {
    String name = "a" + lastName.incrementAndGet();
    String label = LogText.value(auth.label());
    new ControlHandler(channel, source, name, label, auth, registry).begin();
  }
}
