package io.c2crelay.common.tls;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.OpenSslSessionContext;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.NetUtil;
import io.netty.util.ReferenceCountUtil;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.Collections;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * TLS 1.3 for both ends, by BoringSSL if its native library loads, else by the JDK. Session tickets
 * and resumption are disabled: a resumed session presents no certificate to check.
 */
public final class RelayTls {
  private static final String TLS_1_3 = "TLSv1.3";
  private static final int COPY_THRESHOLD_BYTES = 1024;

  /**
   * The JDK sends no tickets with a lifetime of more than 7 days, which RFC 8446, section 4.6.1,
   * forbids. Its properties disable only stateless tickets.
   */
  private static final int JDK_NO_TICKETS_SECONDS = (int) TimeUnit.DAYS.toSeconds(8);

  static {
    // Must be set before the TLS classes of Netty and the JDK load.
    System.setProperty("jdk.tls.server.enableSessionTicketExtension", "false");
    System.setProperty("jdk.tls.client.enableSessionTicketExtension", "false");
  }

  private final SslContext context;

  private RelayTls(SslContext context) {
    this.context = context;
  }

  /**
   * Creates the server side. It asks for no client certificate.
   *
   * <p>The defaults of Netty and the JDK would cost a quarter of the CPU time of startup, and 25
   * MB: a trust manager that reads the root certificates of the JDK, and a PKCS #12 key store,
   * which derives a key from a password. The key store exists in memory only.
   *
   * @throws GeneralSecurityException if TLS 1.3 is not available
   */
  public static RelayTls ofRelay(Identity identity) throws GeneralSecurityException {
    return of(
        SslContextBuilder.forServer(identity.privateKey(), identity.certificate())
            .keyStoreType("JKS")
            .trustManager(new AcceptAllTrustManager()));
  }

  /**
   * Creates the client side. It accepts any certificate; the caller checks the channel binding.
   *
   * @throws GeneralSecurityException if TLS 1.3 is not available
   */
  public static RelayTls ofAgent() throws GeneralSecurityException {
    return of(client());
  }

  /**
   * Creates the client side of the outer TLS, for networks that pass only TLS. It provides no
   * security; {@link #ofAgent()}, inside it, does.
   *
   * @param protocol the only application protocol to offer (RFC 7301)
   * @throws GeneralSecurityException if TLS 1.3 is not available
   */
  public static RelayTls ofAgentTlsFirst(String protocol) throws GeneralSecurityException {
    return of(
        client()
            .applicationProtocolConfig(
                new ApplicationProtocolConfig(
                    ApplicationProtocolConfig.Protocol.ALPN,
                    ApplicationProtocolConfig.SelectorFailureBehavior.NO_ADVERTISE,
                    ApplicationProtocolConfig.SelectedListenerFailureBehavior.ACCEPT,
                    protocol)));
  }

  private static SslContextBuilder client() {
    return SslContextBuilder.forClient()
        .trustManager(new AcceptAllTrustManager())
        .endpointIdentificationAlgorithm(null);
  }

  private static RelayTls of(SslContextBuilder builder) throws GeneralSecurityException {
    SslProvider provider = provider();
    try {
      SslContext context = builder.sslProvider(provider).protocols(TLS_1_3).build();
      if (context.sessionContext() instanceof OpenSslSessionContext) {
        ((OpenSslSessionContext) context.sessionContext()).setSessionCacheEnabled(false);
      } else {
        context.sessionContext().setSessionTimeout(JDK_NO_TICKETS_SECONDS);
        context.sessionContext().setSessionCacheSize(1); // 0 is no limit
      }
      return new RelayTls(context);
    } catch (SSLException | IllegalArgumentException e) {
      throw new GeneralSecurityException("cannot initialise TLS 1.3", e);
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
            + ") supports TLS 1.3; Java 8 needs 8u261 or newer");
  }

  /** Returns the implementation in use, for logs: {@code boringssl} or {@code jdk}. */
  public String providerName() {
    return isBoringSsl() ? "boringssl" : "jdk";
  }

  /**
   * Creates the handler of one connection. It closes the connection after the peer's close_notify,
   * since no data can follow. The engine gets no peer host and port, which would enable the
   * client's session cache.
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
   * As {@link #newHandler(Channel)}, but also sends the server name (SNI) if TLS allows it, because
   * middleboxes check it.
   */
  public SslHandler newHandler(Channel channel, String serverName) {
    SslHandler handler = newHandler(channel);
    if (!NetUtil.isValidIpV4Address(serverName) && !NetUtil.isValidIpV6Address(serverName)) {
      try {
        SSLParameters parameters = handler.engine().getSSLParameters();
        parameters.setServerNames(Collections.singletonList(new SNIHostName(serverName)));
        handler.engine().setSSLParameters(parameters);
      } catch (IllegalArgumentException notAHostName) {
        // connects without SNI
      }
    }
    return handler;
  }

  /**
   * With BoringSSL, Netty keeps the received buffers of an incomplete record in a composite. Small
   * ones are copied instead: a peer that sends byte by byte would otherwise hold a whole buffer for
   * each byte.
   */
  private static ByteBuf cumulate(ByteBufAllocator allocator, ByteBuf cumulation, ByteBuf in) {
    ByteToMessageDecoder.Cumulator cumulator =
        in.readableBytes() < COPY_THRESHOLD_BYTES
            ? ByteToMessageDecoder.MERGE_CUMULATOR
            : ByteToMessageDecoder.COMPOSITE_CUMULATOR;
    return cumulator.cumulate(allocator, cumulation, in);
  }

  private boolean isBoringSsl() {
    return context.sessionContext() instanceof OpenSslSessionContext;
  }

  /**
   * Creates and releases an engine, so that classes and native code are loaded before the first
   * connection.
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

  /** Accepts all certificates: the shared key authenticates the channel binding. */
  private static final class AcceptAllTrustManager extends X509ExtendedTrustManager {
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
