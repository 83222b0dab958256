package io.c2crelay.it.faults;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Ledger;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wan;
import io.c2crelay.it.support.Wire;
import java.io.IOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The link between agent and relay loses packets, among them the first that an agent sends: then
 * its dial looks like a user who says nothing, and its bytes must not come to a target.
 */
@Tag("full")
@Timeout(240)
class LossyLinkIT {

  private static final int AT_ONCE = 8;
  private static final int BYTES = 2_000;

  /** The reset of a misread connection may be lost too: TCP's keep-alive finds out. */
  private static final Duration CALM = Duration.ofSeconds(100);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final ExecutorService users = Executors.newFixedThreadPool(AT_ONCE);
  private int sessions;

  @AfterEach
  void dismissUsers() {
    users.shutdownNow();
  }

  @Test
  void usersFromElsewhere() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Host agentHost = network.host("a");
    String relayForUsers = network.cable(network.here(), relayHost).address(relayHost);
    check(network, relayHost, agentHost, network.wan(agentHost, relayHost), relayForUsers);
  }

  @Test
  void usersFromTheAgentsAddress() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Wan wan = network.wan(network.here(), relayHost);
    check(network, relayHost, network.here(), wan, wan.address(relayHost));
  }

  private void check(
      Namespaces network, Host relayHost, Host agentHost, Wan wan, String relayForUsers)
      throws Exception {
    wan.loss(5);
    Rig rig =
        new Rig(
            harness,
            network,
            relayHost,
            agentHost,
            wan.address(relayHost),
            Ledger.greeting(),
            "--pool",
            "1"); // so each user makes the agent dial

    assertThat(serve(100, rig, relayForUsers)).as("served with 5 % loss").isEqualTo(100);
    assertThat(wan.lost()).as("packets").isGreaterThan(50);

    wan.loss(0).lose(Wire.magic(), 60);
    assertThat(serve(40, rig, relayForUsers))
        .as("served while most preambles are late")
        .isGreaterThanOrEqualTo(32);
    rig.ledger.check();

    wan.lose(Wire.magic(), 0);
    assertThat(serve(10, rig, relayForUsers)).as("served afterwards").isEqualTo(10);
    rig.awaitCalm(CALM);
    int late = rig.relay.lines("connection\\.(reclassified|misread)").size();
    int refused = rig.agent.lines("data\\.failed .*what answers there is no relay").size();
    assertThat(late + refused).as("dials that looked like users").isPositive();
    assertThat(rig.ledger.silent())
        .as("connections to the target on which nobody spoke")
        .isLessThanOrEqualTo(late + refused);
  }

  /** Returns how many were served; fails if one got a wrong byte or a wrong end. */
  private int serve(int count, Rig rig, String relayForUsers) throws Exception {
    List<Callable<Boolean>> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int session = sessions++;
      all.add(() -> isServed(session, rig.user(relayForUsers).timeout(20_000)));
    }
    int served = 0;
    for (Future<Boolean> user : users.invokeAll(all)) {
      served += user.get() ? 1 : 0;
    }
    return served;
  }

  /** Every second user says nothing before the target has. */
  private static boolean isServed(int session, TcpEnd user) throws IOException {
    Sequence toTarget = Sequence.toTarget(session);
    Sequence toUser = Sequence.toUser(session);
    try {
      boolean waits = session % 2 == 0;
      if (!waits) {
        toTarget.write(user.out(), BYTES);
      }
      byte[] hello = user.in().readNBytes(Behaviour.HELLO.length());
      assertThat(new String(hello, UTF_8)).isEqualTo(Behaviour.HELLO);
      if (waits) {
        toTarget.write(user.out(), BYTES);
      }
      toUser.read(user.in(), BYTES);
      user.finish();
      assertThat(toUser.readToEnd(user.in())).isEqualTo(Ending.FIN);
      return true;
    } catch (SocketException | SocketTimeoutException reset) {
      return false; // or its reset was lost
    } finally {
      user.close();
    }
  }
}
