package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.SequenceEchoTarget;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.VerifiedConversation;
import io.c2crelay.it.support.VethLink;
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
  private static VethLink agentLink;
  private static VethLink userLink;
  private static VethLink otherUserLink;
  private static VethLink idleUserLink;
  private static NamespacePair pair;
  private static TcpEnd idleUser;
  private static Stopwatch idle;

  @BeforeAll
  static void cutIdleUser() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    relayHost = network.host("r");
    Host agentHost = network.host("a");
    agentLink = network.veth(agentHost, relayHost);
    userLink = network.veth(network.testHost(), relayHost);
    otherUserLink = network.veth(network.testHost(), relayHost);
    idleUserLink = network.veth(network.testHost(), relayHost);
    pair =
        new NamespacePair(
            harness,
            network,
            relayHost,
            agentHost,
            agentLink.address(relayHost),
            SequenceEchoTarget.answering());
    idleUser = user(idleUserLink);
    Sequence.toTarget(IDLE_SESSION).write(idleUser.out(), 1_000);
    Sequence.toUser(IDLE_SESSION).read(idleUser.in(), 1_000);
    Thread.sleep(500); // until all is acknowledged
    idleUserLink.dropPackets();
    idle = Stopwatch.start();
  }

  private static TcpEnd user(VethLink link) {
    return pair.user(link.address(relayHost));
  }

  @Test
  @Order(1)
  void shortCutLosesNoBytes() throws Exception {
    pair.setRetries(NamespacePair.DEFAULT_RETRIES);
    VerifiedConversation talk = VerifiedConversation.begin(user(userLink), 2);
    agentLink.unplug();
    Thread.sleep(4_000);
    agentLink.plugIn();
    talk.awaitProgress(SOON);

    userLink.dropPackets();
    Thread.sleep(4_000);
    userLink.restore();
    talk.awaitProgress(SOON).finish(SOON);
    assertThat(pair.agent.lines("control\\.lost")).isEmpty();
    assertThat(pair.relay.lines("agent\\.detached")).isEmpty();
  }

  @Test
  @Order(2)
  void retransmissionTimeoutResetsOnlyTheSessionCut() throws Exception {
    pair.setRetries(NamespacePair.FEW_RETRIES);
    VerifiedConversation other = VerifiedConversation.begin(user(otherUserLink), 3);
    VerifiedConversation talk = VerifiedConversation.begin(user(userLink), 4);
    userLink.dropPacketsFrom(relayHost);
    Thread.sleep(200); // so that the relay has data in flight
    userLink.dropPackets();
    assertThat(pair.echoTarget.awaitEnd(4, NamespacePair.FEW_RETRIES_TIMEOUT))
        .isEqualTo(Ending.RESET);
    userLink.restore();
    // the user's TCP retransmits at growing intervals
    assertThat(talk.awaitEnd(Duration.ofSeconds(30))).isEqualTo(Ending.RESET);
    VerifiedConversation.begin(user(userLink), 5).finish(SOON);
    other.awaitProgress(SOON).finish(SOON);
  }

  @Test
  @Order(3)
  void keepAliveResetsIdleSession() {
    assertThat(pair.echoTarget.awaitEnd(IDLE_SESSION, KEEPALIVE_TIMEOUT)).isEqualTo(Ending.RESET);
    assertThat(idle.elapsed()).isCloseTo(KEEPALIVE_TIMEOUT, Duration.ofSeconds(5));
    idleUserLink.restore();
    assertThat(idleUser.send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    pair.awaitIdle(SOON);
  }
}
