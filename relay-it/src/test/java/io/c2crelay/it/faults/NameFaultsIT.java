package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.LogLine;
import io.c2crelay.it.support.NameServer;
import io.c2crelay.it.support.NameServer.Failure;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.SequenceEchoTarget;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.VerifiedConversation;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** DNS faults: the names of relay and target change, fail to resolve, or get no answer. */
@Tag("full")
@Timeout(120)
class NameFaultsIT {

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration LOOKED_UP = Duration.ofSeconds(45);
  private static final String RELAY = "relay.test";
  private static final String TARGET = "target.test";
  private static final int PORT = 4000;

  /** Less than the look-up timeout, to detect a session that waits for a look-up. */
  private static final Duration MAX_SILENCE = Duration.ofMillis(4_500);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final String key = Harness.newKey();
  private final SequenceEchoTarget echoTarget = SequenceEchoTarget.answering();
  private Namespaces network;
  private Host agentHost;
  private String targetAddress;
  private Target target;
  private NameServer names;

  @BeforeEach
  void start() {
    network = harness.keep(Namespaces.create());
    agentHost = network.host("a");
    targetAddress = network.veth(network.testHost(), agentHost).address(network.testHost());
    target = harness.keep(Target.start(new InetSocketAddress(targetAddress, 0), echoTarget));
    names = harness.keep(NameServer.at(targetAddress));
    names.answer(TARGET, targetAddress);
    agentHost.nameServer(targetAddress);
  }

  /** A relay in its own network namespace. */
  private final class Relay {
    private final String address;
    private final RelayProcess process;
    private final InetSocketAddress forUsers;

    Relay() {
      Host host = network.host("r");
      address = network.veth(agentHost, host).address(host);
      forUsers = new InetSocketAddress(network.veth(network.testHost(), host).address(host), PORT);
      process =
          harness.relay(
              Launch.relay("" + PORT, "--drain", "60s").debug().key(key).wrappedIn(host.exec()));
      process.awaitListening();
    }

    TcpEnd user() {
      return harness.keep(TcpEnd.connect(forUsers));
    }

    void awaitIdle() {
      echoTarget.assertNoErrors();
      process.awaitIdle(SOON);
    }
  }

  /** One event loop only, so that a blocked loop affects every session. */
  private AgentProcess agent(String... options) {
    return harness.agent(
        Launch.agent(TARGET + ":" + target.port(), RELAY, "" + PORT, "--threads", "1")
            .arguments(options)
            .debug()
            .key(key)
            .wrappedIn(agentHost.exec()));
  }

  @Test
  void changedRelayAddressIsUsed() {
    Relay first = new Relay();
    Relay second = new Relay();
    names.answer(RELAY, first.address);
    AgentProcess agent = agent();
    agent.awaitReady();
    VerifiedConversation talk = VerifiedConversation.begin(first.user(), 1);

    names.answer(RELAY, second.address);
    int mark = agent.mark();
    Stopwatch watch = Stopwatch.start();
    first.process.terminate();
    assertReady(agent, mark, second, watch);
    talk.awaitProgress(SOON).finish(SOON); // the first relay drains
    VerifiedConversation.begin(second.user(), 2).finish(SOON);

    // without GOAWAY, and to a name with two addresses of which one is dead
    Relay third = new Relay();
    names.answer(RELAY, first.address, third.address);
    mark = agent.mark();
    watch = Stopwatch.start();
    second.process.kill();
    assertReady(agent, mark, third, watch);
    VerifiedConversation.begin(third.user(), 3).finish(SOON);
    third.awaitIdle();
    agent.awaitIdle(SOON);
  }

  /** The JDK caches an address for 30 s; the limit is below that. */
  private static void assertReady(AgentProcess agent, int mark, Relay relay, Stopwatch watch) {
    LogLine ready = agent.awaitReady(mark);
    assertThat(ready.value("relay")).isEqualTo(relay.address + ":" + PORT);
    assertThat(watch.until(ready)).isLessThan(SOON);
  }

  /** The agent is at each relay of the name; one that leaves the name keeps its sessions. */
  @Test
  void allAddressesOfANameAreFollowed() {
    Relay first = new Relay();
    Relay second = new Relay();
    Relay third = new Relay();
    names.answer(RELAY, first.address, second.address);
    AgentProcess agent = agent("--all-addresses");
    for (Relay relay : List.of(first, second)) {
      agent.awaitLog("control\\.ready .*relay=" + relay.address + ":", SOON);
    }
    VerifiedConversation talk = VerifiedConversation.begin(first.user(), 1);
    VerifiedConversation.begin(second.user(), 2).finish(SOON);

    names.answer(RELAY, second.address, third.address);
    agent.awaitLog("control\\.ready .*relay=" + third.address + ":", LOOKED_UP);
    agent.awaitLog("relay\\.address_gone .*address=" + first.address + ":", SOON);
    first.process.awaitLog("agent\\.draining ", SOON);
    first.process.awaitLog("agent\\.detached .*reason=DRAINING", SOON);
    VerifiedConversation.begin(third.user(), 3).finish(SOON);
    talk.awaitProgress(SOON).finish(SOON);

    names.answer(RELAY, Failure.FAILED);
    agent.awaitLog("relay\\.unknown ", LOOKED_UP);
    VerifiedConversation.begin(third.user(), 4).finish(SOON);
    VerifiedConversation.begin(second.user(), 5).finish(SOON);
    agent.awaitIdle(SOON);
  }

  @Test
  void failedLookupsAreRetried() {
    Relay relay = new Relay();
    names.answer(RELAY, Failure.UNKNOWN);
    AgentProcess agent = agent();
    agent.awaitLog("control\\.unreachable .*cause=\"[^\"]*relay\\.test", Duration.ofSeconds(20));
    for (Failure failure : new Failure[] {Failure.FAILED, Failure.REFUSED}) {
      names.answer(RELAY, failure);
      long queries = names.queryCount(RELAY);
      await(failure.name()).atMost(SOON).until(() -> names.queryCount(RELAY) > queries + 5);
    }
    names.answer(RELAY, relay.address);
    assertReady(agent, 0, relay, Stopwatch.start());

    // also the target's name
    names.answer(TARGET, Failure.UNKNOWN);
    assertThat(relay.user().send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    relay.process.awaitLog("reason=TARGET_UNREACHABLE", SOON);
    names.answer(TARGET, targetAddress);
    VerifiedConversation.begin(relay.user(), 1).finish(SOON);
    relay.awaitIdle();
  }

  @Test
  void relayLookupTimeoutBlocksNothing() {
    Relay first = new Relay();
    Relay second = new Relay();
    names.answer(RELAY, first.address);
    AgentProcess agent = agent();
    agent.awaitReady();
    VerifiedConversation talk = VerifiedConversation.begin(first.user(), 1);

    names.answer(RELAY, Failure.SILENCE);
    int mark = agent.mark();
    first.process.terminate();
    LogLine connecting = agent.awaitLog(mark, "control\\.connecting", SOON);
    LogLine failed = agent.awaitLog(mark, "control\\.unreachable .*name lookup timed out", SOON);
    assertThat(Duration.ofNanos(failed.nanos() - connecting.nanos()))
        .isBetween(Duration.ofSeconds(4), Duration.ofSeconds(9));
    agent.awaitLog(agent.mark(), "control\\.connecting", SOON);

    names.answer(RELAY, second.address);
    assertReady(agent, mark, second, Stopwatch.start());
    VerifiedConversation.begin(second.user(), 2).finish(SOON);
    talk.awaitProgress(SOON).finish(SOON);
    assertThat(talk.maxReadGap()).isLessThan(MAX_SILENCE);
    second.awaitIdle();
  }

  @Test
  void targetLookupTimeoutBlocksNothing() {
    Relay relay = new Relay();
    names.answer(RELAY, relay.address);
    AgentProcess agent = agent();
    agent.awaitReady();
    VerifiedConversation talk = VerifiedConversation.begin(relay.user(), 1);

    names.answer(TARGET, Failure.SILENCE);
    Stopwatch watch = Stopwatch.start();
    List<TcpEnd> users = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      users.add(relay.user().send("hello"));
    }
    for (TcpEnd user : users) {
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
    assertThat(watch.elapsed()).isBetween(Duration.ofSeconds(3), Duration.ofSeconds(9));
    await("TARGET_TIMEOUT for all users")
        .atMost(SOON)
        .until(() -> relay.process.lines("close .*reason=TARGET_TIMEOUT").size() == 8);
    names.answer(TARGET, targetAddress);
    VerifiedConversation.begin(relay.user(), 2).finish(SOON);

    talk.awaitProgress(SOON).finish(SOON);
    assertThat(talk.maxReadGap()).isLessThan(MAX_SILENCE);
    assertThat(agent.lines("control\\.lost")).isEmpty();
    relay.awaitIdle();
    agent.awaitIdle(SOON);
  }
}
