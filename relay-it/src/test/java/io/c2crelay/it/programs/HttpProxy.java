package io.c2crelay.it.programs;

import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ConnectHandler;
import org.eclipse.jetty.util.component.LifeCycle;

/** Jetty's HTTP proxy with a password. It alone knows the name {@link #RELAY}. */
final class HttpProxy implements AutoCloseable {
  static final String RELAY = "relay.test";
  static final String USER = "us er";
  static final String PASSWORD = "p:w@rd";

  private final Server server = new Server();
  private final ServerConnector connector = new ServerConnector(server);
  private final List<String> destinations = new CopyOnWriteArrayList<>();

  /**
   * @param delay how long it takes to tell the client that the server is connected
   */
  HttpProxy(Duration delay) throws Exception {
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    server.setHandler(
        new ConnectHandler() {
          @Override
          protected boolean handleAuthentication(
              Request request, Response response, String address) {
            String expected = USER + ":" + PASSWORD;
            String basic =
                "Basic "
                    + Base64.getEncoder().encodeToString(expected.getBytes(StandardCharsets.UTF_8));
            return basic.equals(request.getHeaders().get(HttpHeader.PROXY_AUTHORIZATION));
          }

          @Override
          protected InetSocketAddress newConnectAddress(String host, int port) {
            destinations.add(host);
            return new InetSocketAddress(host.equals(RELAY) ? "127.0.0.1" : host, port);
          }

          @Override
          protected void onConnectSuccess(ConnectContext context, UpstreamConnection upstream) {
            try {
              Thread.sleep(delay.toMillis());
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
            super.onConnectSuccess(context, upstream);
          }
        });
    server.start();
  }

  int port() {
    return connector.getLocalPort();
  }

  /** The hosts that it was asked to connect to. */
  List<String> destinations() {
    return destinations;
  }

  @Override
  public void close() {
    LifeCycle.stop(server);
  }
}
