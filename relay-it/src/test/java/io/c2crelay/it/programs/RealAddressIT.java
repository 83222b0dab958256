package io.c2crelay.it.programs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.PeerAddressServer;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Program;
import io.c2crelay.it.support.Readme;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.VethLink;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Targets see the user's address, and the relay that behind a load balancer. */
@Timeout(120)
class RealAddressIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  /** Not the agent's address, which is 127.0.0.1. */
  private static final String LOAD_BALANCER = "127.0.0.2";

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path directory;

  private static String get(TcpEnd user, String path) {
    return user.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .receiveAllText();
  }

  // ---- PROXY headers to the target

  @ParameterizedTest
  @ValueSource(strings = {"v1", "v2"})
  void jettySeesTheUsersAddress(String version) throws Exception {
    JettyTarget jetty = harness.keep(JettyTarget.behindProxy());
    Pair pair = Pair.of(harness, jetty.port()).agentOptions("--send-proxy", version).start();
    TcpEnd user = harness.keep(TcpEnd.connectFrom("127.0.0.9", pair.relay().address()));
    assertThat(get(user, "/from")).contains("from 127.0.0.9:" + user.localPort());
  }

  @Tag("full")
  @ParameterizedTest
  @ValueSource(strings = {"v1", "v2"})
  void nginxSeesTheUsersAddress(String version) throws Exception {
    Program.assumeInstalled("nginx");
    int port = Ports.free();
    Files.writeString(
        directory.resolve("nginx.conf"),
        """
        daemon off;
        error_log stderr;
        pid %1$s/nginx.pid;
        events {}
        http {
          access_log off;
          client_body_temp_path %1$s;
          proxy_temp_path %1$s;
          fastcgi_temp_path %1$s;
          uwsgi_temp_path %1$s;
          scgi_temp_path %1$s;
          server {
            listen 127.0.0.1:%2$d proxy_protocol;
            return 200 "from $proxy_protocol_addr:$proxy_protocol_port\\n";
          }
        }
        """
            .formatted(directory, port));
    Program nginx =
        harness.keep(
            Program.start(directory, "nginx", "-c", directory.resolve("nginx.conf").toString()));
    nginx.awaitListening(port);
    Pair pair = Pair.of(harness, port).agentOptions("--send-proxy", version).start();
    TcpEnd user = harness.keep(TcpEnd.connectFrom("127.0.0.9", pair.relay().address()));
    assertThat(get(user, "/")).contains("from 127.0.0.9:" + user.localPort());
  }

  /** As a mail server's log needs it, for one. */
  @Tag("full")
  @ParameterizedTest
  @ValueSource(strings = {"v1", "v2"})
  void dovecotSeesTheUsersAddress(String version) throws Exception {
    Program.assumeInstalled("dovecot");
    assumeTrue(Program.output("dovecot", "--version").startsWith("2.3"), "needs Dovecot 2.3");
    int port = Ports.free();
    Files.writeString(
        directory.resolve("dovecot.conf"),
        """
        protocols = imap
        listen = 127.0.0.1
        base_dir = %1$s/run
        log_path = %1$s/log
        ssl = no
        disable_plaintext_auth = no
        haproxy_trusted_networks = 127.0.0.1
        service imap-login {
          inet_listener imap {
            port = %2$d
            haproxy = yes
          }
          inet_listener imaps {
            port = 0
          }
        }
        passdb {
          driver = static
          args = password=secret
        }
        """
            .formatted(directory, port));
    Program dovecot =
        harness.keep(
            Program.start(
                directory, "dovecot", "-F", "-c", directory.resolve("dovecot.conf").toString()));
    dovecot.awaitListening(port);
    Pair pair = Pair.of(harness, port).agentOptions("--send-proxy", version).start();
    TcpEnd user = harness.keep(TcpEnd.connectFrom("127.0.0.9", pair.relay().address()));
    assertThat(user.receiveText(4)).isEqualTo("* OK");
    user.send("a LOGIN user wrong\r\nb LOGOUT\r\n").receiveAllText();
    await()
        .atMost(SOON)
        .until(() -> Files.readString(directory.resolve("log")).contains("rip=127.0.0.9"));
  }

  /** The unique id is the session's id in the log. */
  @Tag("full")
  @ParameterizedTest
  @ValueSource(strings = {"v1", "v2"})
  void haproxySeesTheUsersAddress(String version) throws Exception {
    Program.assumeInstalled("haproxy");
    int port = Ports.free();
    haproxy(
        """
        listen target
          mode http
          bind 127.0.0.1:%d accept-proxy
          http-request return status 200 content-type text/plain \
            lf-string "from %%[src]:%%[src_port] id %%[fc_pp_unique_id]"
        """
            .formatted(port),
        port);
    Pair pair = Pair.of(harness, port).agentOptions("--send-proxy", version).start();
    TcpEnd user = harness.keep(TcpEnd.connectFrom("127.0.0.9", pair.relay().address()));
    String answer = get(user, "/");
    user.finish();
    String id = pair.relay().awaitLog("session\\.close ", SOON).value("id");
    assertThat(answer)
        .contains("from 127.0.0.9:" + user.localPort() + " id " + (version.equals("v2") ? id : ""));
  }

  private Program haproxy(String sections, int port) throws IOException {
    Path file = directory.resolve("haproxy.cfg");
    Files.writeString(
        file,
        """
        global
          maxconn 100
        defaults
          timeout connect 5s
          timeout client 1m
          timeout server 1m
        """
            + sections);
    return harness
        .keep(Program.start(directory, "haproxy", "-db", "-f", file.toString()))
        .awaitListening(port);
  }

  // ---- PROXY headers to the relay

  /** The header's address is the user's, for the log, for the limits and for the target. */
  @Test
  void addressBehindALoadBalancerIsTheHeaders() throws Exception {
    JettyTarget jetty = harness.keep(JettyTarget.behindProxy());
    Pair pair =
        Pair.of(harness, jetty.port())
            .relayOptions("--accept-proxy-from", LOAD_BALANCER, "--deny", "203.0.113.9")
            .agentOptions("--send-proxy", "v2")
            .start();
    RelayProcess relay = pair.relay();
    TcpEnd user = throughLoadBalancer(relay, "203.0.113.7");
    assertThat(get(user, "/from")).contains("from 203.0.113.7:50000");
    relay.awaitLog("session\\.open .*user=203\\.0\\.113\\.7:50000 ", SOON);

    throughLoadBalancer(relay, "203.0.113.9").send("GET").awaitEnd(SOON);
    relay.awaitLog("connection\\.refused from=203\\.0\\.113\\.9:50000 reason=NOT_ALLOWED", SOON);

    harness
        .keep(TcpEnd.connectFrom(LOAD_BALANCER, relay.address()))
        .send("GET / HTTP/1.1\r\n\r\n")
        .awaitEnd(SOON);
    relay.awaitLog("connection\\.refused from=127\\.0\\.0\\.2:\\d+ reason=PROXY_HEADER", SOON);

    // others cannot pretend: what they send is the target's
    TcpEnd other = harness.keep(TcpEnd.connectFrom("127.0.0.9", relay.address()));
    String answer = get(other.send("PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n"), "/from");
    assertThat(answer).startsWith("HTTP/1.1 400");
    relay.awaitLog("session\\.open .*user=127\\.0\\.0\\.9:" + other.localPort() + " ", SOON);
  }

  private TcpEnd throughLoadBalancer(RelayProcess relay, String user) {
    return harness
        .keep(TcpEnd.connectFrom(LOAD_BALANCER, relay.address()))
        .send("PROXY TCP4 " + user + " 127.0.0.1 50000 4000\r\n");
  }

  /** Users and the agent come through one load balancer, which checks the relay's health too. */
  @Tag("full")
  @Test
  void everythingThroughHaproxy() throws Exception {
    Program.assumeInstalled("haproxy");
    JettyTarget jetty = harness.keep(JettyTarget.behindProxy());
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, "--accept-proxy-from", LOAD_BALANCER);
    int port = Ports.free();
    haproxy(
        """
        listen relay
          mode tcp
          bind 127.0.0.1:%d
          source %s
          server relay 127.0.0.1:%d send-proxy-v2 check check-send-proxy inter 200ms
        """
            .formatted(port, LOAD_BALANCER, relay.port()),
        port);
    harness.agent(key, jetty.port(), port, "--send-proxy", "v1").awaitReady();
    relay.awaitLog("agent\\.attached .*address=127\\.0\\.0\\.1:", SOON);
    TcpEnd user =
        harness.keep(TcpEnd.connectFrom("127.0.0.9", new InetSocketAddress("127.0.0.1", port)));
    assertThat(get(user, "/from")).contains("from 127.0.0.9:" + user.localPort());
    assertThat(relay.lines("connection\\.refused")).isEmpty();
  }

  // ---- connections from the user's address

  /** With the rules of docs/operations.md. */
  @Tag("full")
  @Test
  void transparentAgentConnectsFromTheUsersAddress() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    Host box = network.host("box");
    Host userHost = network.host("user");
    String relayForAgent = network.veth(network.testHost(), box).address(network.testHost());
    VethLink userLink = network.veth(network.testHost(), userHost);
    assertThat(transparentRules()).hasSize(4);
    for (String rule : transparentRules()) {
      assertThat(run(box, rule.split(" "))).as(rule).isEmpty();
    }
    List<String> target = new ArrayList<>(List.of(box.exec()));
    target.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            PeerAddressServer.class.getName(),
            "127.0.0.1",
            "7000"));
    Process server = new ProcessBuilder(target).inheritIO().start();
    harness.keep(server::destroyForcibly);

    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key);
    harness
        .agent(
            Launch.agent("7000", relayForAgent, Integer.toString(relay.port()))
                .arguments("--transparent")
                .key(key)
                .wrappedIn(box.exec()))
        .awaitReady();
    String connect = "cat < /dev/tcp/" + userLink.address(network.testHost()) + "/" + relay.port();
    await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(run(userHost, "bash", "-c", connect).trim())
                    .isEqualTo(userLink.address(userHost)));
  }

  private static String run(Host host, String... command) throws Exception {
    List<String> all = new ArrayList<>(List.of(host.exec()));
    all.addAll(List.of(command));
    Process process = new ProcessBuilder(all).redirectErrorStream(true).start();
    process.getOutputStream().close();
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  /** The commands of the manual, which begin with {@code ip}. */
  private static List<String> transparentRules() {
    return Readme.operations().blocks().stream()
        .flatMap(block -> block.verbatim().lines())
        .filter(line -> line.matches("ip (-6 )?(rule|route) .*"))
        .toList();
  }
}
