package io.c2crelay.common.tls;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.OpenSslSessionContext;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.ReferenceCountUtil;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * TLS 1.3 as both ends use it: no tickets and no resumption (a resumed session would show no
 * certificate to check), by BoringSSL where its native part loads and by the JDK elsewhere.
 */
public final class RelayTls {
  private static final String TLS_1_3 = "TLSv1.3";
  private static final int SMALL = 1024;

  static {
    // Read once, when Netty's classes and the JDK's load: without tickets there is nothing to
    // resume with.
    System.setProperty("jdk.tls.server.enableSessionTicketExtension", "false");
    System.setProperty("jdk.tls.client.enableSessionTicketExtension", "false");
  }

  private final SslContext context;

  private RelayTls(SslContext context) {
    this.context = context;
  }

  /**
   * The relay's side.
   *
   * @throws GeneralSecurityException if this machine has no TLS 1.3
   */
  public static RelayTls ofRelay(Identity identity) throws GeneralSecurityException {
    return of(SslContextBuilder.forServer(identity.privateKey(), identity.certificate()));
  }

  /**
   * The agent's side. It accepts any certificate: the caller checks its binding.
   *
   * @throws GeneralSecurityException if this machine has no TLS 1.3
   */
  public static RelayTls ofAgent() throws GeneralSecurityException {
    return of(
        SslContextBuilder.forClient()
            .trustManager(new BindingDecides())
            .endpointIdentificationAlgorithm(null));
  }

  private static RelayTls of(SslContextBuilder builder) throws GeneralSecurityException {
    SslProvider provider = provider();
    try {
      SslContext context = builder.sslProvider(provider).protocols(TLS_1_3).build();
      if (context.sessionContext() instanceof OpenSslSessionContext) {
        ((OpenSslSessionContext) context.sessionContext()).setSessionCacheEnabled(false);
      }
      return new RelayTls(context);
    } catch (SSLException | IllegalArgumentException e) {
      throw new GeneralSecurityException("TLS 1.3 does not start", e);
    }
  }

  private static SslProvider provider() throws GeneralSecurityException {
    if (OpenSsl.isAvailable() && SslProvider.isTlsv13Supported(SslProvider.OPENSSL_REFCNT)) {
      return SslProvider.OPENSSL_REFCNT;
    }
    if (SslProvider.isTlsv13Supported(SslProvider.JDK)) {
      return SslProvider.JDK;
    }
    throw new GeneralSecurityException(
        "neither BoringSSL nor this Java runtime ("
            + System.getProperty("java.version")
            + ") offers TLS 1.3; Java 8 has it from 8u261 on");
  }

  /** Which implementation is in use, for a log line: {@code boringssl} or {@code jdk}. */
  public String providerName() {
    return isBoringSsl() ? "boringssl" : "jdk";
  }

  /**
   * A handler for one connection, which is closed when the peer's close_notify has come: it sends
   * nothing more, whatever its TCP connection does. Without the peer's host and port: engines must
   * not find an old session by them.
   */
  public SslHandler newHandler(Channel channel) {
    SslHandler handler = context.newHandler(channel.alloc());
    handler
        .sslCloseFuture()
        .addListener(
            peerClosed -> {
              if (peerClosed.isSuccess()) {
                channel.close();
              }
            });
    if (isBoringSsl()) {
      handler.setCumulator(RelayTls::cumulate);
    }
    return handler;
  }

  /**
   * For BoringSSL, Netty strings together the pieces in which a record arrives. Small ones are
   * copied instead: a stranger who sends byte by byte would fill the memory with the buffers that
   * they came in.
   */
  private static ByteBuf cumulate(ByteBufAllocator allocator, ByteBuf before, ByteBuf piece) {
    ByteToMessageDecoder.Cumulator cumulator =
        piece.readableBytes() < SMALL
            ? ByteToMessageDecoder.MERGE_CUMULATOR
            : ByteToMessageDecoder.COMPOSITE_CUMULATOR;
    return cumulator.cumulate(allocator, before, piece);
  }

  private boolean isBoringSsl() {
    return context.sessionContext() instanceof OpenSslSessionContext;
  }

  /**
   * Makes and drops one engine, so that the first connection need not wait for classes and native
   * code to load.
   */
  public void warmUp() {
    SSLEngine engine = context.newEngine(ByteBufAllocator.DEFAULT);
    try {
      engine.beginHandshake();
    } catch (SSLException e) {
      throw new IllegalStateException(e);
    } finally {
      ReferenceCountUtil.release(engine);
    }
  }

  /** Trusts nothing and refuses nothing: the binding, proven by the shared key, is what decides. */
  private static final class BindingDecides extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
