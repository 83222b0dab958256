package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AdminClient;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Program;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** One agent at several relays, which share nothing. */
@Timeout(180)
class SeveralRelaysIT {
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path dir;
  private final String key = Harness.newKey();
  private final int port = Ports.free();

  private static String host(int number) {
    return "127.0.1." + number;
  }

  private RelayProcess relay(int number, String... options) {
    RelayProcess relay =
        harness.relay(
            Launch.relay(Integer.toString(port), "--bind", host(number))
                .arguments(options)
                .key(key));
    relay.awaitListening();
    return relay;
  }

  private TcpEnd userAt(int number) {
    return harness.keep(TcpEnd.connect(new InetSocketAddress(host(number), port)));
  }

  private AgentProcess agent(Target target, String hosts, String... options) {
    return harness.agent(
        Launch.agent(Integer.toString(target.port()), hosts, Integer.toString(port))
            .arguments(options)
            .key(key));
  }

  @Test
  void lostRelayCostsOnlyItsOwnSessions() {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess first = relay(1);
    relay(2);
    AgentProcess agent = agent(target, host(1) + "," + host(2));
    agent.awaitLog("control\\.ready .*relay=127\\.0\\.1\\.1:", SOON);
    agent.awaitLog("control\\.ready .*relay=127\\.0\\.1\\.2:", SOON);
    TcpEnd lost = userAt(1).echo("one");
    TcpEnd kept = userAt(2).echo("two");
    first.kill();
    assertThat(lost.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    kept.echo("goes on");
    userAt(2).echo("new ones too");
    relay(1);
    agent.awaitLog(agent.mark(), "control\\.ready .*relay=127\\.0\\.1\\.1:", SOON);
    userAt(1).echo("and the first is back");
  }

  /** A literal address is a name with one address. */
  @Tag("full")
  @Test
  void addressesAreFollowed() {
    relay(1);
    AgentProcess agent = agent(harness.target(Behaviour.ECHO), host(1), "--all-addresses");
    agent.awaitLog("relay\\.address relay=127\\.0\\.1\\.1:\\d+ address=127\\.0\\.1\\.1:", SOON);
    agent.awaitReady();
    userAt(1).echo("hello").finish().awaitEnd(SOON);
    agent.terminate();
    assertThat(agent.awaitExit(SOON)).isZero();
  }

  /** A load balancer asks each relay whether it is ready, and users never notice a change. */
  @Tag("full")
  @Test
  void haproxySpreadsUsersOverRelaysThatAreReady() throws Exception {
    Program.assumeInstalled("haproxy");
    Target target = harness.target(Behaviour.ECHO);
    int[] admin = {Ports.free(), Ports.free(), Ports.free()};
    RelayProcess killed = relay(1, "--admin", Integer.toString(admin[0]));
    RelayProcess drained = relay(2, "--admin", Integer.toString(admin[1]));
    agent(target, host(1) + "," + host(2) + "," + host(3));
    for (RelayProcess relay : new RelayProcess[] {killed, drained}) {
      AdminClient client = AdminClient.of(relay);
      await().atMost(SOON).until(() -> client.get("/readyz").statusCode() == 200);
    }
    int front = Ports.free();
    StringBuilder servers = new StringBuilder();
    for (int i = 0; i < 3; i++) {
      servers.append(
          "  server r%d %s:%d check port %d addr 127.0.0.1 inter 200ms rise 1 fall 1\n"
              .formatted(i + 1, host(i + 1), port, admin[i]));
    }
    Path file =
        Files.writeString(
            dir.resolve("haproxy.cfg"),
            """
            global
              maxconn 100
            defaults
              mode tcp
              timeout connect 2s
              timeout client 1m
              timeout server 1m
              retries 3
              option redispatch
            listen relays
              bind 127.0.0.1:%d
              option httpchk GET /readyz
            %s"""
                .formatted(front, servers));
    harness.keep(Program.start(dir, "haproxy", "-db", "-f", file.toString())).awaitListening(front);
    assertServed(front, 20);
    TcpEnd session = harness.user(front).echo("before");

    killed.kill();
    await().atMost(SOON).untilAsserted(() -> assertServed(front, 5));
    assertServed(front, 20);

    relay(3, "--admin", Integer.toString(admin[2]));
    await().atMost(SOON).until(() -> isReady(admin[2]));
    await().atMost(SOON).untilAsserted(() -> assertServed(front, 5));

    drained.terminate();
    drained.awaitLog("relay\\.draining", SOON);
    await().atMost(SOON).untilAsserted(() -> assertServed(front, 5));
    assertServed(front, 20);
    session.close();
  }

  private boolean isReady(int admin) {
    try (TcpEnd client = TcpEnd.connect(admin)) {
      return client
          .send("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
          .receiveAllText()
          .startsWith("HTTP/1.1 200");
    }
  }

  private void assertServed(int front, int users) {
    for (int i = 0; i < users; i++) {
      try (TcpEnd user = TcpEnd.connect(front)) {
        user.echo("user " + i);
      }
    }
  }
}
