package io.c2crelay.agent.connect;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.jspecify.annotations.Nullable;

/**
 * Opens connections to the relay: TCP, an optional outer TLS, preamble, TLS, frames. Failures after
 * the TCP connect reach the last handler as exceptions: {@link VersionRefusedException}, {@link
 * MisclassifiedException}, or an exception of TLS or TCP.
 */
public final class RelayConnector {
  private static final String TLS = "tls";

  private final Dialer dialer;
  private final int timeoutMillis;
  private final RelayTls tls;
  private final @Nullable RelayTls tlsFirst;

  /**
   * A connector that dials with {@code dialer}.
   *
   * @param timeout the connect timeout for each address of the relay
   * @param tlsFirst the outer TLS, which precedes the preamble; null without it
   */
  public RelayConnector(
      Dialer dialer, Duration timeout, RelayTls tls, @Nullable RelayTls tlsFirst) {
    timeoutMillis = (int) timeout.toMillis();
    this.dialer = requireNonNull(dialer, "dialer");
    this.tls = requireNonNull(tls, "tls");
    this.tlsFirst = tlsFirst;
  }

  /** The addresses of the relay: see {@link Dialer#resolve}. */
  public Future<List<InetSocketAddress>> resolve(Route relay, EventLoop loop) {
    return dialer.resolve(relay, loop);
  }

  /**
   * Connects to one address of the relay.
   *
   * @param loop the event loop of the connection
   * @param owner the last handler: it receives {@link
   *     io.netty.handler.ssl.SslHandshakeCompletionEvent}, then frames
   * @return completes on {@code loop} when the TCP connect succeeds or fails: see {@link
   *     Sockets#connect}
   */
  public Future<Channel> connect(
      InetSocketAddress relay, Preamble.Kind kind, EventLoop loop, ChannelHandler owner) {
    return dialer.connect(relay, timeoutMillis, loop, channel -> init(channel, relay, kind, owner));
  }

  private void init(
      Channel channel, InetSocketAddress relay, Preamble.Kind kind, ChannelHandler owner) {
    boolean control = kind == Preamble.Kind.CONTROL;
    if (control) {
      Sockets.tuneControl(channel);
    }
    if (tlsFirst != null) {
      channel.pipeline().addLast("tls-first", tlsFirst.newHandler(channel, relay.getHostString()));
    }
    channel
        .pipeline()
        .addLast("preamble", new PreambleHandler(Preamble.of(kind)))
        .addLast(TLS, tls.newHandler(channel))
        .addLast("decoder", control ? FrameDecoder.ofControl() : FrameDecoder.ofData())
        .addLast("encoder", FrameEncoder.INSTANCE)
        .addLast("owner", owner);
  }

  /**
   * The channel binding of a connection whose TLS handshake is complete: SHA-256 of the peer's
   * certificate in DER, as tls-server-end-point (RFC 5929).
   *
   * @throws GeneralSecurityException if the peer presented no certificate
   */
  public static byte[] channelBinding(Channel channel) throws GeneralSecurityException {
    try {
      SslHandler handler = (SslHandler) channel.pipeline().get(TLS);
      return Identity.bindingOf(handler.engine().getSession().getPeerCertificates()[0]);
    } catch (SSLPeerUnverifiedException e) {
      throw new GeneralSecurityException("the relay presented no certificate", e);
    }
  }
}
