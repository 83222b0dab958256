package io.c2crelay.common.tls;

import io.netty.buffer.ByteBuf;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/** Both ends of one connection in memory: bytes are carried over until neither has any more. */
final class TlsPair implements AutoCloseable {
  private final EmbeddedChannel relay;
  private final EmbeddedChannel agent;
  private int relayHandshakeBytes;
  private boolean handshaking = true;

  TlsPair(RelayTls relaySide, RelayTls agentSide) {
    relay = new EmbeddedChannel();
    relay.pipeline().addLast(relaySide.newHandler(relay));
    agent = new EmbeddedChannel();
    agent.pipeline().addLast(agentSide.newHandler(agent));
    carry();
    handshaking = false;
  }

  private void carry() {
    boolean more = true;
    while (more) {
      relay.runPendingTasks();
      agent.runPendingTasks();
      more = move(agent, relay) | move(relay, agent);
    }
  }

  private boolean move(EmbeddedChannel from, EmbeddedChannel to) {
    boolean any = false;
    for (Object part = from.readOutbound(); part != null; part = from.readOutbound()) {
      any = true;
      if (handshaking && from == relay) {
        relayHandshakeBytes += ((ByteBuf) part).readableBytes();
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

  /** What the relay sent for the handshake: a certificate and its proof make most of it. */
  int relayHandshakeBytes() {
    return relayHandshakeBytes;
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
    carry();
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

  Certificate shownCertificate() throws SSLPeerUnverifiedException {
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
    carry();
    agent.finishAndReleaseAll();
    relay.finishAndReleaseAll();
  }
}
