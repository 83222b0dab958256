package io.c2crelay.it;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An agent behind a firewall that passes nothing but TLS, and users that speak TLS themselves. */
@Timeout(60)
class TlsFirstIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static final String KEY = Harness.newKey();
  private static TlsFirewall firewall;
  private static RelayProcess relay;

  @BeforeAll
  static void start() {
    relay = SHARED.relay(KEY);
    Target target = SHARED.target(Behaviour.ECHO);
    firewall = new TlsFirewall(relay.port());
    Target firewallEnd = SHARED.target(firewall);
    AgentProcess agent =
        SHARED.agent(
            Launch.agent("" + target.port(), "localhost", "" + firewallEnd.port())
                .arguments("--tls-first")
                .key(KEY));
    agent.awaitReady();
  }

  /** Passes TLS records in both directions; resets connections with anything else. */
  private static final class TlsFirewall implements Behaviour {
    private final int relayPort;
    private final List<String> hellos = new CopyOnWriteArrayList<>();
    private final List<String> refused = new CopyOnWriteArrayList<>();

    TlsFirewall(int relayPort) {
      this.relayPort = relayPort;
    }

    @Override
    public void serve(TcpEnd agent) throws IOException {
      try (TcpEnd toRelay = TcpEnd.connect(relayPort).timeout(60_000)) { // warm for long
        byte[] hello = record(agent.in());
        hellos.add(new String(hello, ISO_8859_1));
        toRelay.send(hello);
        Async<Void> back = Async.run(() -> pass(toRelay.in(), agent.out()));
        pass(agent.in(), toRelay.out());
        back.get(SOON);
      } catch (IOException e) {
        agent.reset();
      }
    }

    private Void pass(InputStream from, OutputStream to) throws IOException {
      for (byte[] record = record(from); record.length > 0; record = record(from)) {
        to.write(record);
        to.flush();
      }
      return null;
    }

    private byte[] record(InputStream from) throws IOException {
      byte[] header = from.readNBytes(5);
      if (header.length == 0) {
        return header;
      }
      if (header.length < 5 || header[0] < 20 || header[0] > 23 || header[1] != 3) {
        refused.add(Arrays.toString(header));
        throw new IOException("not TLS");
      }
      byte[] body = from.readNBytes(ByteBuffer.wrap(header).getShort(3) & 0xFFFF);
      return ByteBuffer.allocate(5 + body.length).put(header).put(body).array();
    }
  }

  @Test
  void sessionsPassAFirewallForTls() {
    for (int i = 0; i < 8; i++) { // more than are warm
      harness.user(relay.port()).echo("hello " + i);
    }
    byte[] bulk = Bulk.bytes(1, 3_000_000);
    TcpEnd user = harness.user(relay.port());
    Async<Void> sent =
        Async.run(
            () -> {
              user.send(bulk).finish();
              return null;
            });
    assertThat(user.receiveAll()).isEqualTo(bulk);
    sent.get(SOON);
    assertThat(firewall.refused).isEmpty();
    assertThat(firewall.hellos)
        .hasSizeGreaterThan(8)
        .allMatch(hello -> hello.contains("c2crelay") && hello.contains("localhost"));
  }

  /** Networks may refuse a hello without the name. */
  @Tag("full")
  @Test
  void eachAddressIsDialledWithTheName() {
    TlsFirewall other = new TlsFirewall(relay.port());
    Target end = harness.target(other);
    AgentProcess agent =
        harness.agent(
            Launch.agent("22", "localhost", "" + end.port())
                .arguments("--tls-first", "--all-addresses")
                .key(KEY));
    agent.awaitReady();
    assertThat(other.hellos).isNotEmpty().allMatch(hello -> hello.contains("localhost"));
  }

  @Test
  void withoutTheOptionTheFirewallRefusesTheAgent() {
    TlsFirewall other = new TlsFirewall(relay.port());
    Target end = harness.target(other);
    AgentProcess agent = harness.agent(KEY, 22, end.port());
    agent.awaitLog("control\\.failed ", SOON);
    assertThat(other.refused).isNotEmpty();
  }

  /** Whatever begins like TLS, in whatever pieces, reaches the target as it is. */
  @ParameterizedTest
  @ValueSource(ints = {6, 300, 4_092, 4_093, 20_000})
  void hellosOfUsersAreUntouched(int length) throws Exception {
    byte[] hello = Bulk.bytes(length, length);
    ByteBuffer.wrap(hello).put((byte) 22).putShort((short) 0x0301).putShort((short) (length - 5));
    for (int cut : new int[] {length, 1, 5, length - 1}) {
      TcpEnd user = harness.user(relay.port()).send(Arrays.copyOf(hello, cut));
      TimeUnit.MILLISECONDS.sleep(50);
      user.send(Arrays.copyOfRange(hello, cut, length));
      assertThat(user.receive(length)).isEqualTo(hello);
    }
  }

  @Test
  void onlyAPreambleMayFollowInside() throws Exception {
    try (SSLSocket tls = tlsToRelay()) {
      tls.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes(ISO_8859_1));
      assertThatThrownBy(() -> tls.getInputStream().readNBytes(1))
          .isInstanceOf(SocketException.class);
    }
    relay.awaitLog("connection\\.refused from=\\S+ reason=PREAMBLE", SOON);
  }

  /** As an agent; dials again if its ClientHello was late, which it is the first time. */
  private SSLSocket tlsToRelay() throws IOException {
    for (int attempt = 1; ; attempt++) {
      Socket socket = harness.keep(new Socket());
      socket.connect(relay.address());
      socket.setSoTimeout((int) SOON.toMillis());
      SSLSocket tls =
          (SSLSocket)
              RawConnection.trustAll()
                  .getSocketFactory()
                  .createSocket(socket, "relay.invalid", 0, true);
      SSLParameters parameters = tls.getSSLParameters();
      parameters.setApplicationProtocols(new String[] {"c2crelay"});
      tls.setSSLParameters(parameters);
      try {
        tls.startHandshake();
        return tls;
      } catch (SocketException late) {
        assertThat(attempt).as("attempts").isLessThan(3);
      }
    }
  }
}
