package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AdminClient;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Footprint;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Program;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** {@code --close-without-agent}: the port of a service is open while it has an agent. */
class CloseWithoutAgentIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path dir;
  private final String key = Harness.newKey();

  private Path config() {
    return dir.resolve("relay.conf");
  }

  private RelayProcess relay(String options) throws Exception {
    Files.writeString(config(), options);
    return harness.relay(Launch.relay("--config", config().toString()).key(key));
  }

  private AgentProcess agent(RelayProcess relay, Target target) {
    return harness.agent(
        Launch.agent(target.port(), relay.port("default")).arguments("--service=web").key(key));
  }

  @Test
  void portFollowsTheAgents() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = relay("port = 0\nservice.web = 0\nclose-without-agent = true\n");
    int port = relay.port("web");
    relay.awaitLog("port\\.closed service=web port=" + port + " note=", SOON);
    assertThat(Ports.isListening(port)).isFalse();
    assertThat(Ports.isListening(relay.port("default"))).isTrue();

    AgentProcess agent = agent(relay, target);
    relay.awaitLog("port\\.opened service=web port=" + port + "$", SOON);
    TcpEnd user = harness.user(port).echo("served");
    int before = relay.mark();
    agent.terminate();
    relay.awaitLog(before, "port\\.closed service=web ", SOON);
    assertThat(Ports.isListening(port)).isFalse();
    user.echo("goes on").finishCleanly();

    Files.writeString(config(), "port = 0\nservice.web = 0\n");
    int mark = relay.mark();
    relay.hangUp();
    relay.awaitLog("config\\.reloaded changed=--close-without-agent$", SOON);
    relay.awaitLog(mark, "port\\.opened service=web ", SOON);
    agent(relay, target).awaitReady();
    harness.user(port).echo("served again").finishCleanly();
    assertThat(relay.lines("port\\.(closed|opened)")).hasSize(4);
  }

  @Tag("full")
  @Test
  void reconnectedAgentLeavesThePortOpen() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = relay("port = 0\nservice.web = 0\nclose-without-agent = true\n");
    AgentProcess first = agent(relay, target);
    first.awaitReady();
    first.kill();
    relay.awaitLog("service\\.unavailable service=web ", SOON);
    agent(relay, target).awaitReady();
    Thread.sleep(6_000);
    assertThat(relay.lines("port\\.closed")).isEmpty();
    harness.user(relay.port("web")).echo("served");
  }

  /** Another program has taken the port; the agent waits at the relay, and a reload is refused. */
  @Tag("full")
  @Test
  void portIsTriedAgain() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    int first = Ports.free();
    String options = "admin = 0\nclose-without-agent = true\n";
    RelayProcess relay =
        relay("port = " + first + "\nservice.web = " + Ports.free() + "\n" + options);
    int port = relay.port("web");
    AdminClient admin = AdminClient.of(relay);
    relay.awaitLog("port\\.closed ", SOON);
    assertThat(admin.status().getArray("services").getObject(1).getString("address"))
        .isEqualTo("-");
    int mark;
    try (ServerSocket taken = new ServerSocket(port)) {
      agent(relay, target).awaitReady();
      relay.awaitLog("WARN +port\\.failed service=web port=" + port + " cause=\"Address", SOON);
      assertThat(admin.get("/readyz?service=web").statusCode()).isEqualTo(503);
      Files.writeString(
          config(), "port = " + taken.getLocalPort() + "\nservice.web = " + first + "\n" + options);
      mark = relay.mark();
      relay.hangUp();
      relay.awaitLog(mark, "ERROR config\\.kept cause=\"cannot listen on ", SOON);
    }
    relay.awaitLog(mark, "port\\.opened service=web ", SOON);
    assertThat(admin.get("/readyz?service=web").statusCode()).isEqualTo(200);
    harness.user(port).echo("served").finishCleanly();
    assertThat(relay.lines("port\\.failed")).as("said once").hasSize(1);

    relay.hangUp(); // the ports are exchanged
    relay.awaitLog(mark, "config\\.reloaded changed=services$", SOON);
    harness.user(first).echo("served").finishCleanly();
  }

  /** The relay has a single descriptor left, which the agent's control connection takes. */
  @Tag("full")
  @Test
  void lackOfDescriptorsDelaysThePort() throws Exception {
    Program.assumeInstalled("prlimit");
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = relay("port = 0\nservice.web = 0\nclose-without-agent = true\n");
    relay.awaitLog("port\\.closed ", SOON);
    limitDescriptors(relay, Footprint.freeDescriptor(relay, 1));
    AgentProcess agent = agent(relay, target);
    relay.awaitLog("port\\.failed service=web .*cause=\"Too many open files", SOON);
    limitDescriptors(relay, 1024);
    relay.awaitLog("port\\.opened ", SOON);
    agent.awaitReady();
    harness.user(relay.port("web")).echo("served").finishCleanly();
    relay.terminate();
    assertThat(relay.awaitExit(SOON)).isZero();
    relay.awaitLog("relay\\.stopped", SOON);
  }

  private static void limitDescriptors(RelayProcess relay, int limit) throws Exception {
    Program.output("prlimit", "--pid", Long.toString(relay.pid()), "--nofile=" + limit + ":");
  }
}
