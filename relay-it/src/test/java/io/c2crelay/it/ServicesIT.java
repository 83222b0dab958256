package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Several services on one relay, and keys that change while it runs. */
class ServicesIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path dir;

  private Path keyFile(String... lines) throws Exception {
    return Files.writeString(dir.resolve("keys"), String.join("\n", lines) + "\n");
  }

  /** Two services with keys of their own, offered by one process through the port of one. */
  @Test
  void oneAgentOffersSeveralServices() throws Exception {
    Target echo = harness.target(Behaviour.ECHO);
    Target manual = harness.keep(Target.manual());
    String key = Harness.newKey();
    Path webKey = keyFile("# the web", Harness.newKey() + " # web");
    RelayProcess relay =
        harness.relay(
            Launch.relay("0", "--service", "web=0," + webKey, "--service=ssh=0")
                .arguments("--queue-timeout", "500ms")
                .key(key));
    AgentProcess agent =
        harness.agent(
            Launch.agent(echo.port(), relay.port("ssh"))
                .arguments("--service=ssh", "--forward", "web=" + manual.port() + "," + webKey)
                .key(key));
    agent.awaitLog("control\\.ready service=ssh ", SOON);
    agent.awaitLog("control\\.ready service=web ", SOON);
    relay.awaitLog("agent\\.attached agent=a\\d service=web .*key=web ", SOON);

    harness.user(relay.port("ssh")).echo("hello");
    TcpEnd webUser = harness.user(relay.port("web")).send("hello");
    TcpEnd atTarget = manual.next();
    assertThat(atTarget.receiveText(5)).isEqualTo("hello");
    atTarget.send("bye").finish();
    webUser.finish();
    assertThat(webUser.receiveAllText()).isEqualTo("bye");
    relay.awaitLog("session\\.close id=\\d+ service=web .*reason=DONE ", SOON);

    TcpEnd defaultUser = harness.user(relay.port("default")).send("hello");
    assertThat(defaultUser.awaitEnd(SOON)).as("no agent offers it").isEqualTo(Ending.RESET);
    relay.awaitLog("user\\.reset service=default user=\\S+ reason=NO_AGENT", SOON);
    assertThat(echo.accepted()).isEqualTo(1);
  }

  @Test
  void unknownServiceLooksLikeWrongKey() throws Exception {
    String key = Harness.newKey();
    RelayProcess relay =
        harness.relay(
            Launch.relay("0", "--service", "web=0," + keyFile(Harness.newKey())).key(key));
    RawAgent agent = RawAgent.of(relay, key);
    for (String service : new String[] {"nope", "web"}) {
      RawControl control = harness.keep(agent.openControl().readChallenge());
      control.sendAuth(RawControl.claim(agent.instance(), 1, service, "raw"));
      RawConnection.End end = control.connection().awaitEnd(SOON);
      assertThat(end.frames()).isEmpty();
      assertThat(end.ending()).isEqualTo(Ending.RESET);
      assertThat(control.sinceAuth()).isBetween(Duration.ofMillis(900), Duration.ofSeconds(8));
    }
    relay.awaitLog("auth\\.refused from=\\S+ service=nope reason=UNKNOWN_SERVICE", SOON);
    relay.awaitLog("auth\\.refused from=\\S+ service=web reason=WRONG_KEY", SOON);
    harness.keep(agent.attach());
  }

  @Test
  void keysAreReplacedWithoutGap() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    String oldKey = Harness.newKey();
    String newKey = Harness.newKey();
    String otherKey = Harness.newKey();
    String[] both = {oldKey + " # old", otherKey + " # other"};
    RelayProcess relay = harness.relay(Launch.relay("0", "--key-file", keyFile(both).toString()));
    AgentProcess oldAgent = harness.agent(oldKey, target.port(), relay.port());
    oldAgent.awaitReady();
    TcpEnd user = harness.user(relay.port()).echo("before");
    AgentProcess otherAgent = harness.agent(otherKey, target.port(), relay.port());
    relay.awaitLog("agent\\.attached .*key=other ", SOON);

    keyFile("# rotated", newKey + " # new one", otherKey + " # renamed");
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
  @Test
  void configurationIsReadAgain() throws Exception {
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
    relay.awaitLog("config\\.reloaded changed=\"--max-sessions .*--allow\"", SOON);
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
  void servicesChangeAtReload() throws Exception {
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

    Files.writeString(config, "port = 0\nservice.new = 0\n");
    relay.hangUp();
    relay.awaitLog("service\\.removed service=web$", SOON);
    relay.awaitLog("config\\.reloaded changed=services$", SOON);
    agent.awaitLog("control\\.lost service=web .*reason=DRAINING", SOON);
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
  @Test
  void keysFollowTheirSource() throws Exception {
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

  @Test
  void checkValidatesAndExits() throws Exception {
    Path config = dir.resolve("relay.conf");
    Files.writeString(config, "port = 0\npool = 3\n");
    JarProcess valid =
        harness.command(Launch.relay("--config", config.toString(), "--check").key("a key"));
    assertThat(valid.awaitExit(SOON)).isZero();
    assertThat(valid.stdout()).containsExactly("server2server: the configuration is valid");
    Files.writeString(config, "port = 0\nsecret = 3\n");
    JarProcess invalid =
        harness.command(Launch.relay("--config=" + config, "--check").key("a key"));
    assertThat(invalid.awaitExit(SOON)).isEqualTo(2);
    assertThat(invalid.stderr().get(0))
        .isEqualTo("server2server: line 2 of the file given with --config: unknown key");
  }
}
