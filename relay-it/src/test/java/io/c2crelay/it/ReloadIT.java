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
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawControl;
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

/** SIGHUP: what changes at once, while sessions go on, and what is wrong or needs a restart. */
class ReloadIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path dir;

  @Test
  void keysOfTheRelayAreReplacedWithoutGap() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    String oldKey = Harness.newKey();
    String newKey = Harness.newKey();
    String otherKey = Harness.newKey();
    String[] both = {oldKey + " # old", otherKey + " # other"};
    RelayProcess relay =
        harness.relay(Launch.relay("0", "--key-file", Harness.keyFile(dir, both).toString()));
    AgentProcess oldAgent = harness.agent(oldKey, target.port(), relay.port());
    oldAgent.awaitReady();
    TcpEnd user = harness.user(relay.port()).echo("before");
    AgentProcess otherAgent = harness.agent(otherKey, target.port(), relay.port());
    relay.awaitLog("agent\\.attached .*key=other ", SOON);

    Harness.keyFile(dir, "# rotated", newKey + " # new one", otherKey + " # renamed");
    relay.hangUp();
    relay.awaitLog("keys\\.reloaded service=default keys=2 added=1 removed=1$", SOON);
    relay.awaitLog("agent\\.detached agent=a1 .*reason=KEY_REMOVED", SOON);
    oldAgent.awaitLog("control\\.lost .*reason=KEY_REMOVED", SOON);
    oldAgent.awaitLog("control\\.refused ", SOON);
    user.echo("its session goes on");
    harness.user(relay.port()).echo("served by the other agent");
    AgentProcess newAgent = harness.agent(newKey, target.port(), relay.port());
    newAgent.awaitReady();
    relay.awaitLog("agent\\.attached .*key=\"new one\" ", SOON);

    Files.delete(dir.resolve("keys"));
    relay.hangUp();
    relay.awaitLog(
        "ERROR config\\.kept cause=\"the file given with --key-file does not exist\"", SOON);
    harness.user(relay.port()).echo("as before");
    assertThat(otherAgent.lines("control\\.lost")).isEmpty();
  }

  /** Lists and limits too; what is wrong, or needs a restart, is said and changes nothing. */
  @Tag("full")
  @Test
  void relayReadsItsConfigurationAgain() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    String key = Harness.newKey();
    Path config = dir.resolve("relay.conf");
    Files.writeString(config, "port = 0\nallow = 127.0.0.2\n");
    RelayProcess relay = harness.relay(Launch.relay("--config", config.toString()).key(key));
    harness.agent(key, target.port(), relay.port()).awaitReady();
    TcpEnd user = harness.keep(TcpEnd.connectFrom("127.0.0.2", relay.address())).echo("allowed");
    assertRefused(relay, "127.0.0.3");

    Files.writeString(
        config, "port = 0\nallow = 127.0.0.3\nmax-sessions = 9\nthreads = 3\nlog-level = debug\n");
    relay.hangUp();
    relay.awaitLog("config\\.reloaded changed=\"--max-sessions .*--allow --log-level\"", SOON);
    relay.awaitLog("config\\.needs_restart changed=--threads", SOON);
    user.echo("goes on");
    harness.keep(TcpEnd.connectFrom("127.0.0.3", relay.address())).echo("allowed now");
    relay.awaitLog("DEBUG session\\.started ", SOON);
    assertRefused(relay, "127.0.0.2");

    Files.writeString(config, "port = 0\nallow = anybody\n");
    relay.hangUp();
    relay.awaitLog("ERROR config\\.kept cause=\"--allow needs addresses ", SOON);
    harness.keep(TcpEnd.connectFrom("127.0.0.3", relay.address())).echo("as before");
  }

  /** Services come and go; sessions go on. A port that is taken changes nothing. */
  @Test
  void relayAddsAndRemovesServices() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    String key = Harness.newKey();
    Path config = dir.resolve("relay.conf");
    Files.writeString(config, "port = 0\nservice.web = 0\n");
    RelayProcess relay = harness.relay(Launch.relay("--config", config.toString()).key(key));
    AgentProcess agent =
        harness.agent(
            Launch.agent(target.port(), relay.port("default"))
                .arguments("--forward", "web=" + target.port())
                .key(key));
    for (String service : new String[] {"default", "web"}) {
      agent.awaitLog("control\\.ready service=" + service + " ", SOON);
    }
    TcpEnd user = harness.user(relay.port("web")).echo("before");
    attachTo(relay, "web", key); // and does not leave

    Files.writeString(config, "port = 0\nservice.new = 0\n");
    relay.hangUp();
    relay.awaitLog("service\\.removed service=web$", SOON);
    relay.awaitLog("config\\.reloaded changed=services$", SOON);
    agent.awaitLog("control\\.lost service=web .*reason=DRAINING", SOON);
    await().atMost(SOON).until(() -> relay.lines("agent\\.detached .*reason=DRAINING").size() == 2);
    user.echo("goes on");
    await().atMost(SOON).until(() -> !Ports.isListening(relay.port("web")));
    harness.user(relay.port("default")).echo("as before");
    AgentProcess other =
        harness.agent(
            Launch.agent(target.port(), relay.port("default"))
                .arguments("--service", "new")
                .key(key));
    other.awaitReady();
    harness.user(relay.port("new")).echo("served");

    try (ServerSocket taken = new ServerSocket(0)) {
      Files.writeString(
          config, "port = 0\nservice.a = 0\nservice.bad = " + taken.getLocalPort() + "\n");
      relay.hangUp();
      relay.awaitLog(
          "ERROR config\\.kept cause=\"cannot listen on .*" + taken.getLocalPort(), SOON);
    }
    assertThat(relay.lines("relay\\.listening service=a ")).isEmpty();
    harness.user(relay.port("new")).echo("still served");
    user.echo("and goes on").finishCleanly();
  }

  /** A service that gets keys of its own, or gives them up, has just those. */
  @Tag("full")
  @Test
  void keysOfTheRelayFollowTheirSource() throws Exception {
    String defaultKey = Harness.newKey();
    String webKey = Harness.newKey();
    Path defaultFile = Files.writeString(dir.resolve("default.key"), defaultKey + "\n");
    Path webFile = Files.writeString(dir.resolve("web.key"), webKey + "\n");
    Path config = dir.resolve("relay.conf");
    String shared = "port = 0\nkey-file = " + defaultFile + "\nservice.web = 0";
    Files.writeString(config, shared + "," + webFile + "\n");
    RelayProcess relay = harness.relay(Launch.relay("--config", config.toString()));
    relay.awaitListening();
    attachTo(relay, "", defaultKey);
    attachTo(relay, "web", webKey);

    Files.writeString(config, shared + "\n");
    int mark = relay.mark();
    relay.hangUp();
    relay.awaitLog(mark, "agent\\.detached .*reason=KEY_REMOVED", SOON);
    attachTo(relay, "web", defaultKey);

    Files.writeString(config, shared + "," + webFile + "\n");
    mark = relay.mark();
    relay.hangUp();
    relay.awaitLog(mark, "agent\\.detached .*reason=KEY_REMOVED", SOON);
    attachTo(relay, "web", webKey);
    assertThat(relay.lines("reason=KEY_REMOVED")).as("of web only").hasSize(2);

    Files.writeString(config, "port = 0\nservice.web = 0," + webFile + "\n");
    relay.hangUp();
    relay.awaitLog("ERROR config\\.kept cause=\"there is no key any more", SOON);
  }

  /** Also the other relay, and the status; a target that has changed is a new one. */
  @Test
  void agentChangesItsServices() throws Exception {
    Target before = harness.target(Behaviour.ECHO);
    Target after = harness.target(Behaviour.ECHO);
    String key = Harness.newKey();
    RelayProcess relay =
        harness.relay(
            Launch.relay("0", "--service", "web=0", "--service", "new=0")
                .arguments("--queue-timeout", "2s")
                .key(key));
    int port = relay.port("default");
    Path config = dir.resolve("agent.conf");
    String common = "relay-host = 127.0.0.1\nrelay-port = " + port + "\n";
    Files.writeString(
        config, common + "target = " + before.port() + "\nforward.web = " + before.port() + "\n");
    AgentProcess agent =
        harness.agent(Launch.agent("--config=" + config, "--admin=0", "--drain=2s").key(key));
    for (String service : new String[] {"default", "web"}) {
      agent.awaitLog("control\\.ready service=" + service + " ", SOON);
    }
    TcpEnd ofDefault = harness.user(port).echo("before");
    TcpEnd ofWeb = harness.user(relay.port("web")).echo("before");

    Files.writeString(
        config, common + "target = " + after.port() + "\nforward.new = " + after.port() + "\n");
    int mark = agent.mark();
    agent.hangUp();
    agent.awaitLog(mark, "config\\.reloaded changed=services$", SOON);
    String removed = "service\\.removed service=%s target=" + before.port() + " relay=127";
    agent.awaitLog(mark, String.format(removed, "default"), SOON);
    agent.awaitLog(mark, String.format(removed, "web"), SOON);
    for (String service : new String[] {"default", "new"}) {
      agent.awaitLog(mark, "control\\.ready service=" + service + " ", SOON);
    }
    relay.awaitLog("service\\.unavailable service=web ", SOON);
    ofDefault.echo("goes on");
    ofWeb.echo("goes on");
    assertThat(before.accepted()).isEqualTo(2);
    harness.user(port).echo("another target");
    harness.user(relay.port("new")).echo("another service");
    assertThat(after.accepted()).isEqualTo(2);
    assertThat(harness.user(relay.port("web")).send("hello").awaitEnd(SOON))
        .isEqualTo(Ending.RESET);
    AdminClient admin = AdminClient.of(agent);
    assertThat(admin.status().getArray("services").getObject(1).getString("name")).isEqualTo("new");
    assertThat(admin.status().getArray("relays")).hasSize(2);
    assertThat(admin.get("/readyz").statusCode()).isEqualTo(200);
    assertThat(admin.get("/readyz?service=web").statusCode()).isEqualTo(404);
    assertThat(admin.get("/metrics").body())
        .contains("c2c_agent_attached{relay=\"127.0.0.1:" + port + "\",service=\"new\"} 1.0");
    agent.hangUp(); // and nothing changes
    ofWeb.finishCleanly();
    harness.user(port).echo("as before");
    agent.terminate();
    ofDefault.finishCleanly();
    assertThat(agent.awaitExit(SOON)).isZero();
  }

  @Test
  void agentChangesItsKeyAndRelays() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    String oldKey = Harness.newKey();
    String newKey = Harness.newKey();
    Path relayKeys = Harness.keyFile(dir, oldKey + " # old", newKey + " # new");
    RelayProcess relay = harness.relay(Launch.relay("0", "--key-file", relayKeys.toString()));
    RelayProcess other = harness.relay(Launch.relay("0").key(newKey));
    Path agentKey = Files.writeString(dir.resolve("agent.key"), oldKey + "\n");
    Path config = dir.resolve("agent.conf");
    String common =
        "target = %d\nrelay-host = 127.0.0.1\nrelay-port = %d\nkey-file = " + agentKey + "\n";
    Files.writeString(config, String.format(common, target.port(), relay.port()));
    AgentProcess agent = harness.agent(Launch.agent("--config", config.toString()));
    agent.awaitReady();
    TcpEnd user = harness.user(relay.port()).echo("before");

    Files.writeString(agentKey, newKey + "\n");
    agent.hangUp();
    relay.awaitLog("agent\\.attached agent=a2 .*key=new ", SOON);
    relay.awaitLog("agent\\.detached agent=a1 ", SOON);
    user.echo("goes on");
    harness.user(relay.port()).echo("by the new key");

    Files.writeString(
        config,
        String.format(common, target.port(), other.port()) + "label = other\nlog-level = debug\n");
    agent.hangUp();
    agent.awaitLog("config\\.reloaded changed=\"relays --log-level\"", SOON);
    agent.awaitLog("config\\.needs_restart changed=--label", SOON);
    other.awaitLog("agent\\.attached ", SOON);
    assertThat(other.lines("label=other")).as("needs a restart").isEmpty();
    user.echo("and goes on").finishCleanly();
    harness.user(other.port()).echo("by the other relay");

    Files.writeString(config, "target = nobody\n");
    agent.hangUp();
    agent.awaitLog("ERROR config\\.kept cause=\"", SOON);
    harness.user(other.port()).echo("as before");
  }

  private void attachTo(RelayProcess relay, String service, String key) {
    RawAgent agent = RawAgent.of(relay, key);
    RawControl control = harness.keep(agent.openControl().readChallenge());
    control.sendAuth(RawControl.claim(agent.instance(), 1, service, "raw"));
    control.readWelcome();
  }

  private void assertRefused(RelayProcess relay, String from) {
    TcpEnd user = harness.keep(TcpEnd.connectFrom(from, relay.address()));
    assertThat(user.send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }
}
