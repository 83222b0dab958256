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

/** The link between agent and relay is cut for long, without a FIN or a reset, and comes back. */
@Tag("full")
@Timeout(120)
class AgentLinkIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  /** A control connection is dead after 25 s of silence. */
  private static final Duration CONTROL_DEAD = Duration.ofSeconds(27);

  @RegisterExtension static final Harness harness = Harness.perClass();

  private static Cable link;
  private static String relayAddress;
  private static Rig rig;

  @BeforeAll
  static void start() {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Host agentHost = network.host("a");
    link = network.cable(agentHost, relayHost);
    relayAddress = network.cable(network.here(), relayHost).address(relayHost);
    rig =
        new Rig(
            harness, network, relayHost, agentHost, link.address(relayHost), Ledger.answering());
  }

  private static TcpEnd user() {
    return rig.user(relayAddress);
  }

  @Test
  void agentIsGivenUpAndComesBackAndSessionsThatOutliveTheCutGoOn() throws Exception {
    rig.setRetries(Rig.DEFAULT_RETRIES);
    Talk talk = Talk.begin(user(), 1).awaitMore(SOON);
    int relayMark = rig.relay.mark();
    int agentMark = rig.agent.mark();

    long cut = System.nanoTime();
    link.swallow();
    // gets a warm connection, as the agent was heard a moment ago: no STARTED in 5 s
    TcpEnd early = user();
    Sequence.toTarget(2).write(early.out(), 1_000);
    assertThat(early.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    // waits, as the agent was not heard for 12 s
    Thread.sleep(Math.max(0, 18_000 - millisSince(cut)));
    TcpEnd late = user();
    Sequence.toTarget(3).write(late.out(), 1_000);
    awaitControlDead(cut, relayMark, agentMark);

    long back = System.nanoTime();
    link.pass(); // then the rest of an attempt of 3 s, 1.5 s of back-off, and the next attempt
    assertWithin(SOON, back, rig.agent.awaitReady(agentMark));
    Sequence.toUser(3).read(late.in(), 1_000);
    late.finish();
    // TCP sends again 0.2, 0.6, 1.4, … 25.4, 51 s after the cut
    talk.awaitMore(Duration.ofSeconds(30)).finish(SOON);
    rig.awaitCalm(SOON);
  }

  @Test
  void sessionsThatDoNotOutliveTheCutAreResetOnBothSides() throws Exception {
    rig.setRetries(Rig.FEW_RETRIES);
    Talk talk = Talk.begin(user(), 11).awaitMore(SOON);
    TcpEnd quiet = user();
    Sequence toTarget = Sequence.toTarget(12);
    Sequence toUser = Sequence.toUser(12);
    toTarget.write(quiet.out(), 1_000);
    toUser.read(quiet.in(), 1_000);
    Thread.sleep(500); // until all of it is acknowledged
    int relayMark = rig.relay.mark();
    int agentMark = rig.agent.mark();

    long cut = System.nanoTime();
    link.unplug();
    assertThat(talk.awaitEnd(Rig.FEW_RETRIES_TAKE)).isEqualTo(Ending.RESET);
    awaitControlDead(cut, relayMark, agentMark);

    long back = System.nanoTime();
    link.plugIn();
    assertWithin(SOON, back, rig.agent.awaitReady(agentMark));
    Talk.begin(user(), 13).awaitMore(SOON).finish(SOON);
    // if the agent had nothing under way, its PING after 30 s of silence meets no connection
    assertThat(rig.ledger.awaitEnd(11, Duration.ofSeconds(20))).isEqualTo(Ending.RESET);
    // it had nothing under way to lose
    toTarget.write(quiet.out(), 1_000);
    toUser.read(quiet.in(), 1_000);
    quiet.finish();
    assertThat(toUser.readToEnd(quiet.in())).isEqualTo(Ending.FIN);
    rig.awaitCalm(SOON);
  }

  private static void awaitControlDead(long cut, int relayMark, int agentMark) {
    assertWithin(
        CONTROL_DEAD, cut, rig.relay.awaitLog(relayMark, "agent\\.detached", CONTROL_DEAD));
    assertWithin(CONTROL_DEAD, cut, rig.agent.awaitLog(agentMark, "control\\.lost", CONTROL_DEAD));
  }

  private static long millisSince(long nanos) {
    return Duration.ofNanos(System.nanoTime() - nanos).toMillis();
  }

  private static void assertWithin(Duration limit, long since, LogLine line) {
    assertThat(Duration.ofNanos(line.nanos() - since)).as(line.text()).isLessThan(limit);
  }
}
