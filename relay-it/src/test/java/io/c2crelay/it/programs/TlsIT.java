package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.RawIdentity;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** TLS between user and target passes through unchanged, byte for byte, both ways. */
@Timeout(60)
class TlsIT {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final int LENGTH = 2_000_000;

  @RegisterExtension static final Harness SHARED = Harness.perClass();

  private static final RawIdentity IDENTITY = RawIdentity.of("localhost");
  private static PlacedPairs pairs;
  private static JettyTarget target;
  private static RecordingProxy targetProxy;
  private static final List<RecordingProxy> USER_PROXIES = new ArrayList<>();

  @BeforeAll
  static void start() throws Exception {
    target = JettyTarget.tls(IDENTITY);
    targetProxy = SHARED.keep(RecordingProxy.to(target.port()));
    pairs = PlacedPairs.start(SHARED, targetProxy.port());
  }

  @AfterAll
  static void end() {
    target.close();
    pairs.check();
  }

  @BeforeEach
  void clearRecordings() {
    USER_PROXIES.clear();
    targetProxy.clear();
  }

  @AfterEach
  void assertSameBytesAtBothEnds() {
    await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(targetProxy.transfers())
                    .containsExactlyInAnyOrderElementsOf(
                        USER_PROXIES.stream()
                            .flatMap(proxy -> proxy.transfers().stream())
                            .toList()));
  }

  /** Returns the port of a new recording proxy to the relay. */
  private static int port(Placement placement) {
    RecordingProxy proxy = SHARED.keep(RecordingProxy.to(pairs.at(placement).port()));
    USER_PROXIES.add(proxy);
    return proxy.port();
  }

  @ParameterizedTest
  @CsvSource({
    "SAME_ADDRESS, TLSv1.2, http/1.1",
    "SAME_ADDRESS, TLSv1.3, http/1.1",
    "SAME_ADDRESS, TLSv1.3, h2",
    "OTHER_ADDRESS, TLSv1.2, http/1.1",
    "OTHER_ADDRESS, TLSv1.3, http/1.1",
    "OTHER_ADDRESS, TLSv1.3, h2",
  })
  void certificateSniAndAlpnPassThrough(Placement placement, String version, String protocol)
      throws Exception {
    try (Socket tcp = new Socket("127.0.0.1", port(placement));
        SSLSocket tls =
            (SSLSocket)
                clientContext()
                    .getSocketFactory()
                    .createSocket(tcp, "shop.example.org", 443, true)) {
      tls.setSoTimeout((int) SOON.toMillis());
      SSLParameters parameters = tls.getSSLParameters();
      parameters.setProtocols(new String[] {version});
      parameters.setServerNames(List.of(new SNIHostName("shop.example.org")));
      parameters.setApplicationProtocols(new String[] {protocol});
      tls.setSSLParameters(parameters);
      tls.startHandshake();
      assertThat(tls.getSession().getPeerCertificates()).containsExactly(IDENTITY.certificate());
      assertThat(tls.getApplicationProtocol()).isEqualTo(protocol);
      if (protocol.equals("http/1.1")) {
        tls.getOutputStream()
            .write("GET /tls HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n".getBytes(UTF_8));
        assertThat(new String(tls.getInputStream().readAllBytes(), UTF_8))
            .endsWith(version + " HTTP/1.1 [shop.example.org]\n");
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void http2TransfersBulkBothWays(Placement placement) throws Exception {
    int port = port(placement);
    HttpClient client =
        HttpClient.newBuilder().sslContext(clientContext()).connectTimeout(SOON).build();
    HttpResponse<String> hello =
        client.send(request(port, "/tls").build(), BodyHandlers.ofString());
    assertThat(hello.sslSession().orElseThrow().getPeerCertificates())
        .containsExactly(IDENTITY.certificate());
    assertThat(hello.version()).isEqualTo(HttpClient.Version.HTTP_2);
    assertThat(hello.body()).isEqualTo("TLSv1.3 HTTP/2.0 [localhost]\n");
    byte[] up = Bulk.bytes(5, LENGTH);
    HttpResponse<String> summed =
        client.send(
            request(port, "/sum").POST(BodyPublishers.ofByteArray(up)).build(),
            BodyHandlers.ofString());
    assertThat(summed.body()).startsWith(LENGTH + " " + Bulk.of(up).sha256());
    HttpResponse<byte[]> down =
        client.send(request(port, "/stream?length=" + LENGTH).build(), BodyHandlers.ofByteArray());
    assertThat(Bulk.of(down.body())).isEqualTo(JettyTarget.streamed(LENGTH));
  }

  private static HttpRequest.Builder request(int port, String path) {
    return HttpRequest.newBuilder(URI.create("https://localhost:" + port + path)).timeout(SOON);
  }

  /** Trusts the target's certificate only. */
  private static SSLContext clientContext() throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("target", IDENTITY.certificate());
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
