package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who may connect, and how often. */
class AccessIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  private TcpEnd userFrom(String address, RelayProcess relay) {
    return harness.keep(TcpEnd.connectFrom(address, relay.address()));
  }

  private RelayProcess pair(Target target, String... options) {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, options);
    harness.agent(key, target.port(), relay.port()).awaitReady();
    return relay;
  }

  @Test
  void usersThatAreNotAllowedAreReset() {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay =
        pair(target, "--allow", "127.0.0.0/29", "--deny", "127.0.0.3", "--queue-timeout", "1s");
    userFrom("127.0.0.2", relay).echo("allowed");
    for (String address : new String[] {"127.0.0.3", "127.0.0.9"}) {
      TcpEnd user = userFrom(address, relay);
      assertThat(user.send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog(
          "connection\\.refused from=" + address + ":" + user.localPort() + " reason=NOT_ALLOWED",
          SOON);
    }
    assertThat(userFrom("127.0.0.9", relay).awaitEnd(SOON)).as("silent").isEqualTo(Ending.RESET);
    assertThat(target.accepted()).isEqualTo(1);
  }

  @Test
  void agentsThatAreNotAllowedAreReset() {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, "--allow-agents", "127.0.0.8/29");
    harness.agent(key, 1, relay.port()).awaitLog("control\\.(failed|retry)", SOON);
    relay.awaitLog("connection\\.refused from=127\\.0\\.0\\.1:\\d+ reason=NOT_ALLOWED", SOON);
    assertThat(relay.lines("agent\\.attached")).isEmpty();
  }

  @Test
  void sessionsOfAnAddressAreLimited() {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), "--max-sessions-per-network", "2");
    TcpEnd first = userFrom("127.0.0.2", relay).echo("one");
    userFrom("127.0.0.2", relay).echo("two");
    assertThat(userFrom("127.0.0.2", relay).send("three").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    relay.awaitLog("user\\.reset service=default user=127\\.0\\.0\\.2:\\d+ reason=LIMIT", SOON);
    userFrom("127.0.0.3", relay).echo("another address");
    first.finish().awaitEnd(SOON);
    relay.awaitLog("session\\.close .*reason=DONE", SOON);
    userFrom("127.0.0.2", relay).echo("three");
  }

  @Test
  void newSessionsOfAnAddressAreLimitedInRate() {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), "--session-rate", "1");
    userFrom("127.0.0.2", relay).echo("one");
    assertThat(userFrom("127.0.0.2", relay).send("two").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    relay.awaitLog("connection\\.refused from=127\\.0\\.0\\.2:\\d+ reason=RATE", SOON);
    userFrom("127.0.0.3", relay).echo("another address");
  }
}
