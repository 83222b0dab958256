package io.c2crelay.it.support;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/**
 * The JDK's HTTP server: {@code GET} returns a greeting with the path, {@code POST} the length and
 * SHA-256 of the body.
 */
public final class HttpTarget implements AutoCloseable {

  private final HttpServer server;

  private HttpTarget(HttpServer server) {
    this.server = server;
  }

  public static HttpTarget start() {
    try {
      HttpServer server =
          HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext(
          "/",
          exchange -> {
            Bulk.Sum sum = Bulk.read(exchange.getRequestBody());
            String text =
                exchange.getRequestMethod().equals("POST")
                    ? new String(Behaviour.reply(sum), StandardCharsets.UTF_8)
                    : "hello " + exchange.getRequestURI().getPath();
            byte[] body = text.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
          });
      server.start();
      return new HttpTarget(server);
    } catch (IOException e) {
      throw new AssertionError("cannot listen", e);
    }
  }

  public int port() {
    return server.getAddress().getPort();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
