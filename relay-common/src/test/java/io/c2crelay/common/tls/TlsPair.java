package io.c2crelay.common.tls;

import io.netty.buffer.ByteBuf;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/** Both ends of a TLS connection in memory. Transfers bytes until neither end has any to send. */
final class TlsPair implements AutoCloseable {
  private final EmbeddedChannel relay;
  private final EmbeddedChannel agent;
  private int relayHandshakeBytes;
  private int relayTicketBytes;
  private boolean handshaking = true;

  TlsPair(RelayTls relaySide, RelayTls agentSide) {
    relay = new EmbeddedChannel();
    relay.pipeline().addLast(relaySide.newHandler(relay));
    agent = new EmbeddedChannel();
    agent.pipeline().addLast(agentSide.newHandler(agent));
    transferAll();
    handshaking = false;
  }

  private void transferAll() {
    boolean more = true;
    while (more) {
      relay.runPendingTasks();
      agent.runPendingTasks();
      more = transfer(agent, relay) | transfer(relay, agent);
    }
  }

  private boolean transfer(EmbeddedChannel from, EmbeddedChannel to) {
    boolean any = false;
    for (Object part = from.readOutbound(); part != null; part = from.readOutbound()) {
      any = true;
      if (handshaking && from == relay) {
        int bytes = ((ByteBuf) part).readableBytes();
        relayHandshakeBytes += bytes;
        relayTicketBytes += tls(relay).handshakeFuture().isSuccess() ? bytes : 0;
      }
      if (to.isOpen()) {
        to.writeInbound(part);
      } else {
        ReferenceCountUtil.release(part);
      }
    }
    return any;
  }

  boolean isHandshakeDone() {
    return tls(relay).handshakeFuture().isSuccess() && tls(agent).handshakeFuture().isSuccess();
  }

  /** The bytes that the relay sent in the handshake, mostly its certificate and signature. */
  int relayHandshakeBytes() {
    return relayHandshakeBytes;
  }

  /** The bytes that the relay sent by itself after the handshake: session tickets. */
  int relayTicketBytes() {
    return relayTicketBytes;
  }

  String toRelay(String text) {
    return send(agent, relay, text);
  }

  String toAgent(String text) {
    return send(relay, agent, text);
  }

  private String send(EmbeddedChannel from, EmbeddedChannel to, String text) {
    ByteBuf bytes = from.alloc().buffer();
    bytes.writeCharSequence(text, StandardCharsets.UTF_8);
    from.writeOutbound(bytes);
    transferAll();
    StringBuilder received = new StringBuilder();
    for (ByteBuf part = to.readInbound(); part != null; part = to.readInbound()) {
      received.append(part.toString(StandardCharsets.UTF_8));
      part.release();
    }
    return received.toString();
  }

  SSLSession relaySession() {
    return tls(relay).engine().getSession();
  }

  SSLSession agentSession() {
    return tls(agent).engine().getSession();
  }

  Certificate relayCertificate() throws SSLPeerUnverifiedException {
    return agentSession().getPeerCertificates()[0];
  }

  String peerHost() {
    return tls(agent).engine().getPeerHost();
  }

  private static SslHandler tls(EmbeddedChannel channel) {
    return channel.pipeline().get(SslHandler.class);
  }

  @Override
  public void close() {
    agent.close();
    transferAll();
    agent.finishAndReleaseAll();
    relay.finishAndReleaseAll();
  }
}
