package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Program;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.util.net.SshdSocketAddress;
import org.apache.sshd.server.SshServer;
import org.apache.sshd.server.forward.AcceptAllForwardingFilter;
import org.apache.sshd.server.keyprovider.SimpleGeneratorHostKeyProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The agent reaches the relay through proxies. */
@Timeout(120)
class ProxyIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final String HTTP_USER = "us%20er:p%3Aw%40rd@";

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path directory;
  private final String key = Harness.newKey();
  private RelayProcess relay;
  private Target target;

  @BeforeEach
  void start() {
    relay = harness.relay(key);
    target = harness.target(Behaviour.ECHO);
  }

  private AgentProcess agent(String host, String... options) {
    return harness.agent(agentLaunch(host).arguments(options));
  }

  private Launch agentLaunch(String host) {
    return Launch.agent(Integer.toString(target.port()), host, Integer.toString(relay.port()))
        .key(key);
  }

  private void assertServes(AgentProcess agent) {
    agent.awaitReady();
    for (int i = 0; i < 3; i++) {
      harness.user(relay.port()).echo("through the proxy");
    }
  }

  /** The proxy looks the relay's name up. */
  @Test
  void httpProxyWithPassword() throws Exception {
    HttpProxy proxy = harness.keep(new HttpProxy(Duration.ZERO));
    AgentProcess agent =
        agent(HttpProxy.RELAY, "--proxy", "http://" + HTTP_USER + "127.0.0.1:" + proxy.port());
    assertServes(agent);
    assertThat(proxy.destinations()).hasSizeGreaterThan(3).containsOnly(HttpProxy.RELAY);
    agent.awaitLog("agent\\.started .*proxy=http://127\\.0\\.0\\.1:" + proxy.port() + " ", SOON);
    assertThat(agent.lines("us.*er:|p:w@rd|p%3Aw")).isEmpty();
  }

  @Tag("full")
  @Test
  void proxyFromTheEnvironmentAndItsPasswordFromAFile() throws Exception {
    HttpProxy proxy = harness.keep(new HttpProxy(Duration.ZERO));
    Path file = Files.writeString(directory.resolve("password"), HttpProxy.PASSWORD + "\n");
    AgentProcess agent =
        harness.agent(
            agentLaunch(HttpProxy.RELAY)
                .arguments("--proxy-password-file", file.toString())
                .env("C2C_PROXY", "http://us%20er@localhost:" + proxy.port()));
    assertServes(agent);
  }

  /** As with a name that has an IPv6 address where there is no IPv6. */
  @Tag("full")
  @Test
  void triesTheNextAddressOfTheProxy() throws Exception {
    HttpProxy proxy = harness.keep(new HttpProxy(Duration.ZERO));
    Path hosts =
        Files.writeString(
            directory.resolve("hosts"), "127.0.0.9 proxy.test\n127.0.0.1 proxy.test\n");
    AgentProcess agent =
        harness.agent(
            agentLaunch(HttpProxy.RELAY)
                .arguments("--proxy", "http://" + HTTP_USER + "proxy.test:" + proxy.port())
                .jvmArgs("-Djdk.net.hosts.file=" + hosts));
    assertServes(agent);
    assertThat(agent.lines("control\\.unreachable")).hasSize(1);
  }

  /** Each preamble reaches the relay after its detection timeout, until it expects that. */
  @Tag("full")
  @Test
  void slowProxy() throws Exception {
    HttpProxy proxy = harness.keep(new HttpProxy(Duration.ofMillis(100)));
    AgentProcess agent =
        agent(HttpProxy.RELAY, "--proxy", "http://" + HTTP_USER + "127.0.0.1:" + proxy.port());
    assertServes(agent);
    assertThat(agent.lines("control\\.retry")).hasSizeLessThan(4);
  }

  @Tag("full")
  @Test
  void wrongPasswordIsSaid() throws Exception {
    HttpProxy proxy = harness.keep(new HttpProxy(Duration.ZERO));
    AgentProcess agent =
        agent(HttpProxy.RELAY, "--proxy", "http://x:secret@127.0.0.1:" + proxy.port());
    agent.awaitLog("control\\.failed .*cause=\".*status: 407", SOON);
    assertThat(agent.lines("secret")).isEmpty();
  }

  @Tag("full")
  @Test
  void unreachableProxyIsSaid() {
    AgentProcess agent = agent(HttpProxy.RELAY, "--proxy", "socks5://127.0.0.1:" + Ports.free());
    agent.awaitLog("control\\.unreachable .*cause=\"?Connection refused", SOON);
  }

  /** As {@code ssh -D}. */
  @Test
  void socksProxyOfSsh() throws Exception {
    SshServer server = SshServer.setUpDefaultServer();
    server.setHost("127.0.0.1");
    server.setKeyPairProvider(new SimpleGeneratorHostKeyProvider());
    server.setPasswordAuthenticator((user, password, session) -> true);
    server.setForwardingFilter(AcceptAllForwardingFilter.INSTANCE);
    server.start();
    harness.keep(() -> server.close(true));
    SshClient client = SshClient.setUpDefaultClient();
    client.setServerKeyVerifier((session, address, hostKey) -> true);
    client.start();
    harness.keep(client::stop);
    ClientSession session =
        client.connect("user", "127.0.0.1", server.getPort()).verify(SOON).getSession();
    session.addPasswordIdentity("any");
    session.auth().verify(SOON);
    int port = session.startDynamicPortForwarding(new SshdSocketAddress("127.0.0.1", 0)).getPort();
    assertServes(agent("localhost", "--proxy", "socks5://127.0.0.1:" + port));
  }

  @Tag("full")
  @Test
  void tinyproxyWithPassword() throws Exception {
    Program.assumeInstalled("tinyproxy");
    int port = Ports.free();
    Path file = directory.resolve("tinyproxy.conf");
    Files.writeString(
        file,
        "Port %d\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nBasicAuth user secret\n"
            .formatted(port));
    harness
        .keep(Program.start(directory, "tinyproxy", "-d", "-c", file.toString()))
        .awaitListening(port);
    assertServes(agent("localhost", "--proxy", "http://user:secret@127.0.0.1:" + port));
  }

  @Tag("full")
  @Test
  void dante() throws Exception {
    Program.assumeInstalled("danted");
    int port = Ports.free();
    Path file = directory.resolve("danted.conf");
    Files.writeString(
        file,
        """
        logoutput: stderr
        internal: 127.0.0.1 port = %d
        external: 127.0.0.1
        clientmethod: none
        socksmethod: none
        user.privileged: root
        user.unprivileged: nobody
        client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
        socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 protocol: tcp }
        """
            .formatted(port),
        UTF_8);
    harness.keep(Program.start(directory, "danted", "-f", file.toString())).awaitListening(port);
    assertServes(agent("127.0.0.1", "--proxy", "socks5://127.0.0.1:" + port));
  }
}
