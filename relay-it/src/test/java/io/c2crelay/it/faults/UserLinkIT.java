package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Cable;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Ledger;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.Talk;
import io.c2crelay.it.support.TcpEnd;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Links are cut for a moment, and users' links for long, without a FIN or a reset. A silent user's
 * is cut first and looked at last, since it takes TCP 90 s to notice.
 */
@Order(3)
@Tag("full")
@Timeout(120)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class UserLinkIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** TCP's keep-alive: after 60 s, then every 10 s, three times. */
  private static final Duration KEEPALIVE_GIVES_UP = Duration.ofSeconds(90);

  private static final int SILENT = 1;

  @RegisterExtension static final Harness harness = Harness.perClass();

  private static Host relayHost;
  private static Cable agents;
  private static Cable users;
  private static Cable otherUsers;
  private static Cable silentUser;
  private static Rig rig;
  private static TcpEnd silent;
  private static long silentSince;

  @BeforeAll
  static void cutTheSilentUserOff() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    relayHost = network.host("r");
    Host agentHost = network.host("a");
    agents = network.cable(agentHost, relayHost);
    users = network.cable(network.here(), relayHost);
    otherUsers = network.cable(network.here(), relayHost);
    silentUser = network.cable(network.here(), relayHost);
    rig =
        new Rig(
            harness, network, relayHost, agentHost, agents.address(relayHost), Ledger.answering());
    silent = user(silentUser);
    Sequence.toTarget(SILENT).write(silent.out(), 1_000);
    Sequence.toUser(SILENT).read(silent.in(), 1_000);
    Thread.sleep(500); // until all of it is acknowledged
    silentUser.swallow();
    silentSince = System.nanoTime();
  }

  private static TcpEnd user(Cable cable) {
    return rig.user(cable.address(relayHost));
  }

  @Test
  @Order(1)
  void shortCutsLoseNothing() throws Exception {
    rig.setRetries(Rig.DEFAULT_RETRIES);
    Talk talk = Talk.begin(user(users), 2).awaitMore(SOON);
    agents.unplug();
    Thread.sleep(4_000);
    agents.plugIn();
    talk.awaitMore(SOON);

    users.swallow();
    Thread.sleep(4_000);
    users.pass();
    talk.awaitMore(SOON).finish(SOON);
    assertThat(rig.agent.lines("control\\.lost")).isEmpty();
    assertThat(rig.relay.lines("agent\\.detached")).isEmpty();
  }

  @Test
  @Order(2)
  void userWhoIsAwayForLongIsGivenUpAndTheOthersNoticeNothing() throws Exception {
    rig.setRetries(Rig.FEW_RETRIES);
    Talk untouched = Talk.begin(user(otherUsers), 3).awaitMore(SOON);
    Talk talk = Talk.begin(user(users), 4).awaitMore(SOON);
    users.swallowFrom(relayHost);
    Thread.sleep(200); // so that the relay has answers under way that nobody acknowledges
    users.swallow();
    assertThat(rig.ledger.awaitEnd(4, Rig.FEW_RETRIES_TAKE)).isEqualTo(Ending.RESET);
    users.pass();
    // the user's own TCP keeps trying, ever less often
    assertThat(talk.awaitEnd(Duration.ofSeconds(30))).isEqualTo(Ending.RESET);
    Talk.begin(user(users), 5).awaitMore(SOON).finish(SOON);
    untouched.awaitMore(SOON).finish(SOON);
  }

  @Test
  @Order(3)
  void silentUserWhoIsAwayIsGivenUpByKeepalive() {
    assertThat(rig.ledger.awaitEnd(SILENT, KEEPALIVE_GIVES_UP)).isEqualTo(Ending.RESET);
    assertThat(Duration.ofNanos(System.nanoTime() - silentSince))
        .isCloseTo(KEEPALIVE_GIVES_UP, Duration.ofSeconds(5));
    silentUser.pass();
    assertThat(silent.send("anyone?").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    rig.awaitCalm(SOON);
  }
}
