package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.SequenceEchoTarget;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.TalkingUser;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.VerifiedConversation;
import io.c2crelay.it.support.VethLink;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The link between agent and relay drops all packets for a long time, then recovers. */
@Tag("full")
@Timeout(120)
class AgentLinkIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** Each end closes a control connection after 25 s without a frame. */
  private static final Duration CONTROL_TIMEOUT = Duration.ofSeconds(27);

  @RegisterExtension static final Harness harness = Harness.perClass();

  private static VethLink link;
  private static String relayAddress;
  private static NamespacePair pair;

  @BeforeAll
  static void start() {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Host agentHost = network.host("a");
    link = network.veth(agentHost, relayHost);
    relayAddress = network.veth(network.testHost(), relayHost).address(relayHost);
    pair =
        new NamespacePair(
            harness,
            network,
            relayHost,
            agentHost,
            link.address(relayHost),
            SequenceEchoTarget.answering());
  }

  private static TcpEnd user() {
    return pair.user(relayAddress);
  }

  @Test
  void agentReconnectsAndSessionsContinue() throws Exception {
    pair.setRetries(NamespacePair.DEFAULT_RETRIES);
    VerifiedConversation talk = VerifiedConversation.begin(user(), 1);
    int relayMark = pair.relay.mark();
    int agentMark = pair.agent.mark();

    Stopwatch cut = Stopwatch.start();
    link.dropPackets();
    // assigned a warm connection, as the agent was active recently: no STARTED within 5 s
    TalkingUser early = TalkingUser.of(user(), 2);
    early.send(1_000);
    assertThat(early.receiveToEnd()).isEqualTo(Ending.RESET);
    // queued, as no frame came from the agent for 12 s
    Thread.sleep(Math.max(0, 18_000 - cut.elapsed().toMillis()));
    TalkingUser late = TalkingUser.of(user(), 3);
    late.send(1_000);
    awaitControlTimeout(cut, relayMark, agentMark);

    Stopwatch restored = Stopwatch.start();
    link.restore(); // the current attempt ends within 3 s; the next follows 1.5 s later
    assertWithin(SOON, restored, pair.agent.awaitReady(agentMark));
    late.receive(1_000);
    late.sendFin();
    // TCP retransmits 0.2, 0.6, 1.4, … 25.4, 51 s after the cut
    talk.awaitProgress(Duration.ofSeconds(30)).finish(SOON);
    pair.awaitIdle(SOON);
  }

  @Test
  void retransmissionTimeoutResetsSessionsAtBothEnds() throws Exception {
    pair.setRetries(NamespacePair.FEW_RETRIES);
    VerifiedConversation talk = VerifiedConversation.begin(user(), 11);
    TalkingUser idleUser = TalkingUser.of(user(), 12);
    idleUser.send(1_000);
    idleUser.receive(1_000);
    Thread.sleep(500); // until all is acknowledged
    int relayMark = pair.relay.mark();
    int agentMark = pair.agent.mark();

    Stopwatch cut = Stopwatch.start();
    link.unplug();
    assertThat(talk.awaitEnd(NamespacePair.FEW_RETRIES_TIMEOUT)).isEqualTo(Ending.RESET);
    awaitControlTimeout(cut, relayMark, agentMark);

    Stopwatch restored = Stopwatch.start();
    link.plugIn();
    assertWithin(SOON, restored, pair.agent.awaitReady(agentMark));
    VerifiedConversation.begin(user(), 13).finish(SOON);
    // if the agent had no data in flight, its PING after 30 s of silence is reset
    assertThat(pair.echoTarget.awaitEnd(11, Duration.ofSeconds(20))).isEqualTo(Ending.RESET);
    // survives, as no data was in flight
    idleUser.send(1_000);
    idleUser.receive(1_000);
    idleUser.finish();
    pair.awaitIdle(SOON);
  }

  private static void awaitControlTimeout(Stopwatch cut, int relayMark, int agentMark) {
    assertWithin(
        CONTROL_TIMEOUT, cut, pair.relay.awaitLog(relayMark, "agent\\.detached", CONTROL_TIMEOUT));
    assertWithin(
        CONTROL_TIMEOUT, cut, pair.agent.awaitLog(agentMark, "control\\.lost", CONTROL_TIMEOUT));
  }

  private static void assertWithin(Duration limit, Stopwatch watch, LogLine line) {
    assertThat(watch.until(line)).as(line.text()).isLessThan(limit);
  }
}
