package io.c2crelay.it.support;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/** A client of the admin endpoint of a relay or an agent on this host. */
public final class AdminClient {
  private static final Duration START = Duration.ofSeconds(60);
  private static final Duration ANSWER = Duration.ofSeconds(10);

  private final HttpClient http = HttpClient.newHttpClient();
  private final int port;

  private AdminClient(int port) {
    this.port = port;
  }

  /** Waits until the process listens. */
  public static AdminClient of(JarProcess process) {
    String address = process.awaitLog("admin\\.listening ", START).value("address");
    return new AdminClient(Integer.parseInt(address.substring(address.lastIndexOf(':') + 1)));
  }

  public int port() {
    return port;
  }

  /** The response to a GET with these headers, given as alternating names and values. */
  public HttpResponse<String> get(String path, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).timeout(ANSWER);
    if (headers.length > 0) {
      request.headers(headers);
    }
    return http.send(request.build(), BodyHandlers.ofString());
  }

  public JsonObject status() throws Exception {
    return JsonParser.object().from(get("/api/status").body());
  }

  /** The value of a metric, or -1 if absent; the name includes its labels in alphabetical order. */
  public double metric(String name) throws Exception {
    return get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(name + " "))
        .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
        .findFirst()
        .orElse(-1);
  }
}
