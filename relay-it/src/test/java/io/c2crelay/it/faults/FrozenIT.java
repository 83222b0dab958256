package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.faults.VerifiedSessions.Scenario;
import io.c2crelay.it.faults.VerifiedSessions.User;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A process is suspended for 2 s with SIGSTOP, as on a suspended or swapping machine. */
@Tag("full")
@Timeout(120)
class FrozenIT {

  private static final long FROZEN_MILLIS = 2_000;
  private static final Duration SOON = Duration.ofSeconds(30);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final VerifiedSessions sessions = new VerifiedSessions();
  private final Target target = harness.target(sessions);

  private static void freeze(List<JarProcess> processes) throws InterruptedException {
    processes.forEach(JarProcess::freeze);
    Thread.sleep(FROZEN_MILLIS);
    processes.forEach(JarProcess::thaw);
  }

  /** Agents start one by one, so that one is dialling or in its handshake at that moment. */
  @Test
  void agentsAttachAfterRelayThaws() throws Exception {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(Launch.relay("0").debug().key(key));
    relay.awaitListening();
    List<AgentProcess> agents = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      agents.add(harness.agent(key, target.port(), relay.port()));
      Thread.sleep(150);
    }
    agents.get(0).awaitLog("agent\\.started ", SOON);
    freeze(List.of(relay));
    agents.forEach(AgentProcess::awaitReady);
    relay.awaitIdle(SOON, "agents=4", "warm=16", "tokens=0");
    sessions.connect(Scenario.SHORT, relay.port()).finish(SOON);
  }

  /** Established and new sessions survive, with warm connections and without. */
  @ParameterizedTest
  @ValueSource(strings = {"4", "0"})
  void sessionsAreOnlyDelayed(String pool) throws Exception {
    Pair pair = Pair.of(harness, target).both(Launch::debug).relayOptions("--pool", pool).start();
    RelayProcess relay = pair.relay();
    AgentProcess agent = pair.agent();
    for (List<JarProcess> frozen :
        List.<List<JarProcess>>of(List.of(relay), List.of(agent), List.of(relay, agent))) {
      List<User> users = new ArrayList<>();
      for (Scenario scenario : Scenario.values()) {
        users.add(sessions.connect(scenario, relay.port()));
      }
      Thread.sleep(200);
      Async<List<User>> crowd = Async.run(() -> crowd(relay.port()));
      Thread.sleep(100); // until half of them are connected
      freeze(frozen);
      users.addAll(crowd.get(SOON));
      users.forEach(user -> user.finish(SOON));
      sessions.verifyTarget(SOON);
      relay.awaitIdle(SOON, "agents=1", "tokens=0");
      agent.awaitIdle(SOON);
    }
    assertThat(agent.lines("control\\.lost ")).isEmpty();
  }

  private List<User> crowd(int port) throws InterruptedException {
    List<User> users = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      users.add(sessions.connect(Scenario.values()[i % Scenario.values().length], port));
      Thread.sleep(10);
    }
    return users;
  }
}
