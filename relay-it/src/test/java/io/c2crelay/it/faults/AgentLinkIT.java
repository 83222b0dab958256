package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Cable;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Ledger;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.Talk;
import io.c2crelay.it.support.TcpEnd;
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

  private static Cable link;
  private static String relayAddress;
  private static NamespacePair pair;

  @BeforeAll
  static void start() {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Host agentHost = network.host("a");
    link = network.cable(agentHost, relayHost);
    relayAddress = network.cable(network.here(), relayHost).address(relayHost);
    pair =
        new NamespacePair(
            harness, network, relayHost, agentHost, link.address(relayHost), Ledger.answering());
  }

  private static TcpEnd user() {
    return pair.user(relayAddress);
  }

  @Test
  void agentReconnectsAndSessionsContinue() throws Exception {
    pair.setRetries(NamespacePair.DEFAULT_RETRIES);
    Talk talk = Talk.begin(user(), 1).awaitMore(SOON);
    int relayMark = pair.relay.mark();
    int agentMark = pair.agent.mark();

    long cut = System.nanoTime();
    link.swallow();
    // assigned a warm connection, as the agent was active recently: no STARTED within 5 s
    TcpEnd early = user();
    Sequence.toTarget(2).write(early.out(), 1_000);
    assertThat(early.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    // queued, as no frame came from the agent for 12 s
    Thread.sleep(Math.max(0, 18_000 - millisSince(cut)));
    TcpEnd late = user();
    Sequence.toTarget(3).write(late.out(), 1_000);
    awaitControlTimeout(cut, relayMark, agentMark);

    long restored = System.nanoTime();
    link.pass(); // the current attempt ends within 3 s; the next follows 1.5 s later
    assertWithin(SOON, restored, pair.agent.awaitReady(agentMark));
    Sequence.toUser(3).read(late.in(), 1_000);
    late.finish();
    // TCP retransmits 0.2, 0.6, 1.4, … 25.4, 51 s after the cut
    talk.awaitMore(Duration.ofSeconds(30)).finish(SOON);
    pair.awaitIdle(SOON);
  }

  @Test
  void retransmissionTimeoutResetsSessionsAtBothEnds() throws Exception {
    pair.setRetries(NamespacePair.FEW_RETRIES);
    Talk talk = Talk.begin(user(), 11).awaitMore(SOON);
    TcpEnd idleUser = user();
    Sequence toTarget = Sequence.toTarget(12);
    Sequence toUser = Sequence.toUser(12);
    toTarget.write(idleUser.out(), 1_000);
    toUser.read(idleUser.in(), 1_000);
    Thread.sleep(500); // until all is acknowledged
    int relayMark = pair.relay.mark();
    int agentMark = pair.agent.mark();

    long cut = System.nanoTime();
    link.unplug();
    assertThat(talk.awaitEnd(NamespacePair.FEW_RETRIES_TIMEOUT)).isEqualTo(Ending.RESET);
    awaitControlTimeout(cut, relayMark, agentMark);

    long restored = System.nanoTime();
    link.plugIn();
    assertWithin(SOON, restored, pair.agent.awaitReady(agentMark));
    Talk.begin(user(), 13).awaitMore(SOON).finish(SOON);
    // if the agent had no data in flight, its PING after 30 s of silence is reset
    assertThat(pair.ledger.awaitEnd(11, Duration.ofSeconds(20))).isEqualTo(Ending.RESET);
    // survives, as no data was in flight
    toTarget.write(idleUser.out(), 1_000);
    toUser.read(idleUser.in(), 1_000);
    idleUser.finish();
    assertThat(toUser.readToEnd(idleUser.in())).isEqualTo(Ending.FIN);
    pair.awaitIdle(SOON);
  }

  private static void awaitControlTimeout(long cut, int relayMark, int agentMark) {
    assertWithin(
        CONTROL_TIMEOUT, cut, pair.relay.awaitLog(relayMark, "agent\\.detached", CONTROL_TIMEOUT));
    assertWithin(
        CONTROL_TIMEOUT, cut, pair.agent.awaitLog(agentMark, "control\\.lost", CONTROL_TIMEOUT));
  }

  private static long millisSince(long nanos) {
    return Duration.ofNanos(System.nanoTime() - nanos).toMillis();
  }

  private static void assertWithin(Duration limit, long since, LogLine line) {
    assertThat(Duration.ofNanos(line.nanos() - since)).as(line.text()).isLessThan(limit);
  }
}
