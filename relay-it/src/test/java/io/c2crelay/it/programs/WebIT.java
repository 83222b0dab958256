package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.TcpEnd;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** HTTP/1.1 with persistent connections, and WebSocket. */
@Timeout(60)
class WebIT {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final int LENGTH = 8 * 1024 * 1024;

  @RegisterExtension static final Harness SHARED = Harness.perClass();

  private static JettyTarget target;
  private static PlacedPairs pairs;
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(SOON).build();

  @BeforeAll
  static void start() throws Exception {
    target = JettyTarget.plain();
    pairs = PlacedPairs.start(SHARED, target.port());
  }

  @AfterAll
  static void end() {
    target.close();
    pairs.check();
  }

  private static HttpRequest.Builder request(Pair pair, String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + pair.port() + path))
        .timeout(SOON);
  }

  private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
    return client.send(request.build(), BodyHandlers.ofString());
  }

  @ParameterizedTest
  @EnumSource
  void persistentConnectionIsOneSession(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    Set<String> answers = new HashSet<>();
    for (int i = 0; i < 200; i++) {
      HttpResponse<String> response = send(request(pair, "/hello"));
      assertThat(response.statusCode()).isEqualTo(200);
      answers.add(response.body());
    }
    assertThat(answers).as("distinct remote ports at the target").hasSize(1);
    PlacedPairs.assertSessions(pair, mark, 1);
  }

  @ParameterizedTest
  @EnumSource
  void chunkedBodiesPassUnchanged(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    byte[] up = Bulk.bytes(3, LENGTH);
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> summed = send(request(pair, "/sum").POST(unknownLength(up)));
      assertThat(summed.body()).isEqualTo(summary(up, "chunked"));

      HttpResponse<InputStream> streamed =
          client.send(
              request(pair, "/stream?length=" + LENGTH).build(), BodyHandlers.ofInputStream());
      assertThat(streamed.headers().firstValue("Transfer-Encoding")).contains("chunked");
      try (InputStream body = streamed.body()) {
        assertThat(Bulk.read(body)).isEqualTo(JettyTarget.streamed(LENGTH));
      }
    }
    PlacedPairs.assertSessions(pair, mark, 1);
  }

  @ParameterizedTest
  @EnumSource
  void expectContinue(Placement placement) {
    byte[] body = Bulk.bytes(4, 1_000_000);
    String interim = "HTTP/1.1 100 Continue\r\n\r\n";
    try (TcpEnd user = pairs.at(placement).user()) {
      user.send(
          "POST /sum HTTP/1.1\r\nHost: any\r\nContent-Length: 1000000\r\n"
              + "Expect: 100-continue\r\nConnection: close\r\n\r\n");
      assertThat(user.receiveText(interim.length())).isEqualTo(interim);
      user.send(body);
      assertThat(user.receiveAllText()).endsWith(summary(body, "null"));
    }
  }

  private static BodyPublisher unknownLength(byte[] bytes) {
    return BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes));
  }

  private static String summary(byte[] body, String transferEncoding) {
    Bulk.Sum sum = Bulk.of(body);
    return sum.length() + " " + sum.sha256() + " " + transferEncoding + "\n";
  }

  /** Opens a WebSocket and reads the greeting. */
  private WebSocket open(Pair pair, WebSocketInbox inbox) {
    URI uri = URI.create("ws://127.0.0.1:" + pair.port() + "/websocket");
    WebSocket socket =
        client.newWebSocketBuilder().connectTimeout(SOON).buildAsync(uri, inbox).join();
    assertThat(inbox.next()).isEqualTo(EchoWebSocket.GREETING);
    return socket;
  }

  @ParameterizedTest
  @EnumSource
  void webSocketEchoesTextAndBinary(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    WebSocketInbox inbox = new WebSocketInbox();
    WebSocket socket = open(pair, inbox);
    for (int length : new int[] {0, 1, 125, 126, 65_535, 65_536, 4_000_000}) {
      String text = "x".repeat(length);
      socket.sendText(text, true).join();
      assertThat(inbox.next()).isEqualTo(text);
      byte[] bytes = Bulk.bytes(length, length);
      socket.sendBinary(ByteBuffer.wrap(bytes), true).join();
      assertThat(inbox.next()).isEqualTo(ByteBuffer.wrap(bytes));
    }
    close(pair, socket, inbox);
  }

  @ParameterizedTest
  @EnumSource
  void webSocketEchoesFragmentsAroundPing(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    WebSocketInbox inbox = new WebSocketInbox();
    WebSocket socket = open(pair, inbox);
    socket.sendText("one ", false).join();
    socket.sendPing(ByteBuffer.wrap("are you there?".getBytes(UTF_8))).join();
    assertThat(inbox.next()).isEqualTo("pong: are you there?");
    socket.sendText("two ", false).join();
    socket.sendText("three", true).join();
    assertThat(inbox.next()).isEqualTo("one two three");
    close(pair, socket, inbox);
  }

  @ParameterizedTest
  @EnumSource
  void webSocketCloseByTarget(Placement placement) throws Exception {
    WebSocketInbox inbox = new WebSocketInbox();
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    open(pair, inbox).sendText("close 4002 go home", true).join();
    assertThat(inbox.next()).isEqualTo("closed: 4002 go home");
    assertThat(target.closes().poll(20, TimeUnit.SECONDS)).startsWith("4002 ");
    pair.relay().awaitLog(mark, "session\\.close .*reason=DONE", SOON);
  }

  /** The user closes; both ends get the code, and the session ends with FIN. */
  private static void close(Pair pair, WebSocket socket, WebSocketInbox inbox) throws Exception {
    int mark = pair.relay().mark();
    socket.sendClose(4001, "I have all").join();
    assertThat(inbox.next()).isEqualTo("closed: 4001 I have all");
    assertThat(target.closes().poll(20, TimeUnit.SECONDS)).isEqualTo("4001 I have all");
    pair.relay().awaitLog(mark, "session\\.close .*reason=DONE", SOON);
  }
}
