package io.c2crelay.common.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.netty.buffer.ByteBuf;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLPeerUnverifiedException;

/**
 * The checks of both TLS providers. {@link RelayTlsTest} also loads it by name in a second copy of
 * all classes, without BoringSSL.
 */
public final class TlsCheck implements Callable<String> {
  /** TLS contexts live as long as the process. */
  private static final List<RelayTls> KEPT = new ArrayList<>();

  @Override
  public String call() throws Exception {
    Identity identity = Identity.create(new SecureRandom());
    RelayTls relay = keep(RelayTls.ofRelay(identity));
    RelayTls agent = keep(RelayTls.ofAgent());
    relay.warmUp();
    agent.warmUp();
    assertThat(relay.providerName()).isEqualTo(agent.providerName());
    transfersBytesOverTls13(identity, relay, agent);
    neverResumes(relay, agent);
    acceptsAnyCertificate(relay, agent);
    rejectsOlderVersions(identity, agent);
    return relay.providerName();
  }

  private static RelayTls keep(RelayTls tls) {
    KEPT.add(tls);
    return tls;
  }

  private static void transfersBytesOverTls13(Identity identity, RelayTls relay, RelayTls agent)
      throws Exception {
    try (TlsPair pair = new TlsPair(relay, agent)) {
      assertThat(pair.isHandshakeDone()).isTrue();
      assertThat(pair.relaySession().getProtocol()).isEqualTo("TLSv1.3");
      assertThat(pair.agentSession().getProtocol()).isEqualTo("TLSv1.3");
      assertThat(pair.toRelay("up")).isEqualTo("up");
      assertThat(pair.toAgent("down")).isEqualTo("down");
      assertThat(Identity.bindingOf(pair.relayCertificate())).isEqualTo(identity.binding());
      assertThat(pair.peerHost()).as("no peer host to cache a session by").isNull();
      assertThatThrownBy(() -> pair.relaySession().getPeerCertificates())
          .as("no client certificate")
          .isInstanceOf(SSLPeerUnverifiedException.class);
    }
  }

  /** A resumed session would show no certificate. */
  private static void neverResumes(RelayTls relay, RelayTls agent) throws Exception {
    try (TlsPair first = new TlsPair(relay, agent)) {
      assertThat(first.relayTicketBytes()).as("session tickets").isZero();
      first.toAgent("a session ticket would have arrived by now");
      try (TlsPair second = new TlsPair(relay, agent)) {
        assertThat(second.isHandshakeDone()).isTrue();
        assertThat(second.relayCertificate()).isEqualTo(first.relayCertificate());
        assertThat(second.relayHandshakeBytes()).isCloseTo(first.relayHandshakeBytes(), within(20));
        assertThat(second.relayHandshakeBytes())
            .isGreaterThan(first.relayCertificate().getEncoded().length);
        if (first.agentSession().getId().length > 0) {
          assertThat(second.agentSession().getId()).isNotEqualTo(first.agentSession().getId());
        }
      }
    }
  }

  private static void acceptsAnyCertificate(RelayTls relay, RelayTls agent) throws Exception {
    Identity other = Identity.create(new SecureRandom());
    try (TlsPair pair = new TlsPair(keep(RelayTls.ofRelay(other)), agent)) {
      assertThat(pair.isHandshakeDone()).isTrue();
      assertThat(Identity.bindingOf(pair.relayCertificate())).isEqualTo(other.binding());
    }
  }

  private static void rejectsOlderVersions(Identity identity, RelayTls agent) throws Exception {
    SslContext olderTls =
        SslContextBuilder.forServer(identity.privateKey(), identity.certificate())
            .sslProvider(SslProvider.JDK)
            .protocols("TLSv1.2")
            .build();
    EmbeddedChannel server = new EmbeddedChannel();
    server.pipeline().addLast(olderTls.newHandler(server.alloc()));
    EmbeddedChannel client = new EmbeddedChannel();
    client.pipeline().addLast(agent.newHandler(client));
    SslHandler handshake = server.pipeline().get(SslHandler.class);
    assertThatThrownBy(() -> server.writeInbound(client.<ByteBuf>readOutbound()))
        .hasMessageContaining("protocol");
    assertThat(handshake.handshakeFuture().isSuccess()).isFalse();
    client.finishAndReleaseAll();
    server.finishAndReleaseAll();
  }
}
