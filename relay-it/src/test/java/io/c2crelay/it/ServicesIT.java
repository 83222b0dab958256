package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RawAgent;
import io.c2crelay.it.support.RawConnection;
import io.c2crelay.it.support.RawControl;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Several services on one relay. */
class ServicesIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @TempDir private Path dir;

  /** Two services with keys of their own, offered by one process through the port of one. */
  @Test
  void oneAgentOffersSeveralServices() throws Exception {
    Target echo = harness.target(Behaviour.ECHO);
    Target manual = harness.keep(Target.manual());
    String key = Harness.newKey();
    Path webKey = Harness.keyFile(dir, "# the web", Harness.newKey() + " # web");
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
            Launch.relay("0", "--service", "web=0," + Harness.keyFile(dir, Harness.newKey()))
                .key(key));
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
