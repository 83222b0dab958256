package io.c2crelay.it.faults;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Namespaces;
import io.c2crelay.it.support.Namespaces.Host;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.SequenceEchoTarget;
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
 * The link between agent and relay loses packets. If the preamble is lost, the agent's connection
 * looks like a silent user; its bytes must not reach the target.
 */
@Tag("full")
@Timeout(240)
class LossyLinkIT {

  private static final int CONCURRENT_USERS = 8;
  private static final int BYTES = 2_000;

  /** The reset of a misclassified connection may be lost; then TCP keep-alive closes it. */
  private static final Duration IDLE_TIMEOUT = Duration.ofSeconds(100);

  @RegisterExtension final Harness harness = Harness.perTest();

  private final ExecutorService users = Executors.newFixedThreadPool(CONCURRENT_USERS);
  private int sessions;

  @AfterEach
  void stopUsers() {
    users.shutdownNow();
  }

  @Test
  void usersFromAnotherAddress() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Host agentHost = network.host("a");
    String relayForUsers = network.veth(network.testHost(), relayHost).address(relayHost);
    check(network, relayHost, agentHost, network.wan(agentHost, relayHost), relayForUsers);
  }

  @Test
  void usersFromTheAgentsAddress() throws Exception {
    Namespaces network = harness.keep(Namespaces.create());
    Host relayHost = network.host("r");
    Wan wan = network.wan(network.testHost(), relayHost);
    check(network, relayHost, network.testHost(), wan, wan.address(relayHost));
  }

  private void check(
      Namespaces network, Host relayHost, Host agentHost, Wan wan, String relayForUsers)
      throws Exception {
    wan.loss(5);
    NamespacePair pair =
        new NamespacePair(
            harness,
            network,
            relayHost,
            agentHost,
            wan.address(relayHost),
            SequenceEchoTarget.greeting(),
            "--pool",
            "0"); // so that each user causes a dial

    assertThat(serve(100, pair, relayForUsers)).as("served with 5 % loss").isEqualTo(100);
    assertThat(wan.lost()).as("packets lost").isGreaterThan(50);

    wan.loss(0).lose(Wire.magic(), 60);
    assertThat(serve(40, pair, relayForUsers))
        .as("served while 60 % of preambles are lost")
        .isGreaterThanOrEqualTo(32);
    pair.echoTarget.assertNoErrors();

    wan.lose(Wire.magic(), 0);
    assertThat(serve(10, pair, relayForUsers)).as("served afterwards").isEqualTo(10);
    pair.awaitIdle(IDLE_TIMEOUT);
    int late = pair.relay.lines("connection\\.misclassified").size();
    int refused = pair.agent.lines("data\\.failed .*not a relay").size();
    assertThat(late + refused).as("misclassified connections").isPositive();
    assertThat(pair.echoTarget.connectionsWithoutData())
        .as("target connections without a byte")
        .isLessThanOrEqualTo(late + refused);
  }

  /** Returns the number of users served; fails on a wrong byte or a FIN too early. */
  private int serve(int count, NamespacePair pair, String relayForUsers) throws Exception {
    List<Callable<Boolean>> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int session = sessions++;
      all.add(() -> isServed(session, pair.user(relayForUsers).timeout(20_000)));
    }
    int served = 0;
    for (Future<Boolean> user : users.invokeAll(all)) {
      served += user.get() ? 1 : 0;
    }
    return served;
  }

  /** Users of even sessions send nothing before the target's greeting. */
  private static boolean isServed(int session, TcpEnd user) throws IOException {
    Sequence toTarget = Sequence.toTarget(session);
    Sequence toUser = Sequence.toUser(session);
    try {
      boolean targetFirst = session % 2 == 0;
      if (!targetFirst) {
        toTarget.write(user.out(), BYTES);
      }
      byte[] greeting = user.in().readNBytes(Behaviour.HELLO.length());
      assertThat(new String(greeting, UTF_8)).isEqualTo(Behaviour.HELLO);
      if (targetFirst) {
        toTarget.write(user.out(), BYTES);
      }
      toUser.read(user.in(), BYTES);
      user.finish();
      assertThat(toUser.readToEnd(user.in())).isEqualTo(Ending.FIN);
      return true;
    } catch (SocketException | SocketTimeoutException reset) {
      return false; // a timeout if the reset was lost
    } finally {
      user.close();
    }
  }
}
