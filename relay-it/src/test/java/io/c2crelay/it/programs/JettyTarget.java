package io.c2crelay.it.programs;

import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.RawIdentity;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import javax.net.ssl.ExtendedSSLSession;
import org.eclipse.jetty.alpn.server.ALPNServerConnectionFactory;
import org.eclipse.jetty.http2.server.HTTP2ServerConnectionFactory;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.io.EndPoint.SslSessionData;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.ProxyConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Fields;
import org.eclipse.jetty.util.component.LifeCycle;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.websocket.server.WebSocketUpgradeHandler;

/**
 * A web server. {@code GET /hello} answers with the remote port; {@code GET /from} with the remote
 * address; {@code GET /stream?length=N} with N bytes, chunked; {@code POST /sum} with length,
 * SHA-256 and transfer encoding of the body; {@code GET /tls} with TLS version, HTTP version and
 * SNI names. {@code /websocket} is an {@link EchoWebSocket}.
 */
final class JettyTarget implements AutoCloseable {

  private final Server server = new Server();
  private final ServerConnector connector;
  private final BlockingQueue<String> closes = new LinkedBlockingQueue<>();

  private JettyTarget(ConnectionFactory... protocols) throws Exception {
    connector = new ServerConnector(server, protocols);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    WebSocketUpgradeHandler handler =
        WebSocketUpgradeHandler.from(
            server,
            container -> {
              container.setMaxBinaryMessageSize(8 * 1024 * 1024);
              container.addMapping(
                  "/websocket", (request, response, callback) -> new EchoWebSocket(closes));
            });
    handler.setHandler(new Paths());
    server.setHandler(handler);
    server.start();
  }

  /** HTTP/1.1 and WebSocket. */
  static JettyTarget plain() throws Exception {
    return new JettyTarget(new HttpConnectionFactory());
  }

  /** HTTP/1.1 behind a PROXY header. */
  static JettyTarget behindProxy() throws Exception {
    return new JettyTarget(new ProxyConnectionFactory(), new HttpConnectionFactory());
  }

  /** HTTP/2 or HTTP/1.1 over TLS, selected by ALPN. */
  static JettyTarget tls(RawIdentity identity) throws Exception {
    SslContextFactory.Server context = new SslContextFactory.Server();
    context.setSslContext(identity.context());
    HttpConfiguration http = new HttpConfiguration();
    http.addCustomizer(new SecureRequestCustomizer(false));
    ALPNServerConnectionFactory alpn = new ALPNServerConnectionFactory("h2", "http/1.1");
    alpn.setDefaultProtocol("http/1.1");
    return new JettyTarget(
        new SslConnectionFactory(context, alpn.getProtocol()),
        alpn,
        new HTTP2ServerConnectionFactory(http),
        new HttpConnectionFactory(http));
  }

  /** The checksum of the body of {@code /stream}. */
  static Bulk.Sum streamed(long length) throws IOException {
    return Bulk.write(OutputStream.nullOutputStream(), length, length);
  }

  int port() {
    return connector.getLocalPort();
  }

  /** The codes and reasons of closed WebSockets, as {@code CODE REASON}. */
  BlockingQueue<String> closes() {
    return closes;
  }

  @Override
  public void close() {
    LifeCycle.stop(server);
  }

  private static final class Paths extends Handler.Abstract {

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
      switch (Request.getPathInContext(request)) {
        case "/hello":
          answer(response, callback, "hello, port " + Request.getRemotePort(request));
          return true;
        case "/from":
          answer(
              response,
              callback,
              "from " + Request.getRemoteAddr(request) + ":" + Request.getRemotePort(request));
          return true;
        case "/stream":
          stream(request, response);
          callback.succeeded();
          return true;
        case "/sum":
          sum(request, response, callback);
          return true;
        case "/tls":
          answer(response, callback, tls(request));
          return true;
        default:
          return false;
      }
    }

    private static void answer(Response response, Callback callback, String text) {
      Content.Sink.write(response, true, text + "\n", callback);
    }

    private static void stream(Request request, Response response) throws Exception {
      Fields parameters = Request.extractQueryParameters(request);
      long length = Long.parseLong(parameters.getValue("length"));
      try (OutputStream out = Content.Sink.asOutputStream(response)) {
        Bulk.write(out, length, length);
      }
    }

    private static void sum(Request request, Response response, Callback callback)
        throws Exception {
      try (InputStream body = Content.Source.asInputStream(request)) {
        Bulk.Sum sum = Bulk.read(body);
        answer(
            response,
            callback,
            sum.length()
                + " "
                + sum.sha256()
                + " "
                + request.getHeaders().get("Transfer-Encoding"));
      }
    }

    private static String tls(Request request) {
      SslSessionData data = (SslSessionData) request.getAttribute(SslSessionData.ATTRIBUTE);
      ExtendedSSLSession session = (ExtendedSSLSession) data.sslSession();
      return session.getProtocol()
          + " "
          + request.getConnectionMetaData().getHttpVersion().asString()
          + " "
          + session.getRequestedServerNames().stream()
              .map(name -> new String(name.getEncoded(), StandardCharsets.US_ASCII))
              .toList();
    }
  }
}
