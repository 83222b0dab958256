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
 * Links drop all packets: any link briefly, a user's link for a long time. An idle user's link is
 * cut before all tests and verified in the last one, as keep-alive takes 90 s to detect it.
 */
@Order(3)
@Tag("full")
@Timeout(120)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class UserLinkIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** Three TCP keep-alive probes: after 60 s, then every 10 s. */
  private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(90);

  private static final int IDLE_SESSION = 1;

  @RegisterExtension static final Harness harness = Harness.perClass();

  private static Host relayHost;
  private static Cable agentLink;
  private static Cable userLink;
  private static Cable otherUserLink;
  private static Cable idleUserLink;
  private static NamespacePair pair;
  private static TcpEnd idleUser;
  private static long idleSince;

  @BeforeAll
  static void cutIdleUser() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    relayHost = network.host("r");
    Host agentHost = network.host("a");
    agentLink = network.cable(agentHost, relayHost);
    userLink = network.cable(network.here(), relayHost);
    otherUserLink = network.cable(network.here(), relayHost);
    idleUserLink = network.cable(network.here(), relayHost);
    pair =
        new NamespacePair(
            harness,
            network,
            relayHost,
            agentHost,
            agentLink.address(relayHost),
            Ledger.answering());
    idleUser = user(idleUserLink);
    Sequence.toTarget(IDLE_SESSION).write(idleUser.out(), 1_000);
    Sequence.toUser(IDLE_SESSION).read(idleUser.in(), 1_000);
    Thread.sleep(500); // until all is acknowledged
    idleUserLink.swallow();
    idleSince = System.nanoTime();
  }

  private static TcpEnd user(Cable cable) {
    return pair.user(cable.address(relayHost));
  }

  @Test
  @Order(1)
  void shortCutLosesNoBytes() throws Exception {
    pair.setRetries(NamespacePair.DEFAULT_RETRIES);
    Talk talk = Talk.begin(user(userLink), 2).awaitMore(SOON);
    agentLink.unplug();
    Thread.sleep(4_000);
    agentLink.plugIn();
    talk.awaitMore(SOON);

    userLink.swallow();
    Thread.sleep(4_000);
    userLink.pass();
    talk.awaitMore(SOON).finish(SOON);
    assertThat(pair.agent.lines("control\\.lost")).isEmpty();
    assertThat(pair.relay.lines("agent\\.detached")).isEmpty();
  }

  @Test
  @Order(2)
  void retransmissionTimeoutResetsOnlyTheSessionCut() throws Exception {
    pair.setRetries(NamespacePair.FEW_RETRIES);
    Talk other = Talk.begin(user(otherUserLink), 3).awaitMore(SOON);
    Talk talk = Talk.begin(user(userLink), 4).awaitMore(SOON);
    userLink.swallowFrom(relayHost);
    Thread.sleep(200); // so that the relay has data in flight
    userLink.swallow();
    assertThat(pair.ledger.awaitEnd(4, NamespacePair.FEW_RETRIES_TIMEOUT)).isEqualTo(Ending.RESET);
    userLink.pass();
    // the user's TCP retransmits at growing intervals
    assertThat(talk.awaitEnd(Duration.ofSeconds(30))).isEqualTo(Ending.RESET);
    Talk.begin(user(userLink), 5).awaitMore(SOON).finish(SOON);
    other.awaitMore(SOON).finish(SOON);
  }

  @Test
  @Order(3)
  void keepAliveResetsIdleSession() {
    assertThat(pair.ledger.awaitEnd(IDLE_SESSION, KEEPALIVE_TIMEOUT)).isEqualTo(Ending.RESET);
    assertThat(Duration.ofNanos(System.nanoTime() - idleSince))
        .isCloseTo(KEEPALIVE_TIMEOUT, Duration.ofSeconds(5));
    idleUserLink.pass();
    assertThat(idleUser.send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.awaitIdle(SOON);
  }
}
