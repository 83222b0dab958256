package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Stopwatch;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who may connect, and how often. */
class AccessIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  private TcpEnd userFrom(String address, RelayProcess relay) {
    return harness.keep(TcpEnd.connectFrom(address, relay.address()));
  }

  private RelayProcess pair(Target target, String... options) {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, options);
    harness.agent(key, target.port(), relay.port()).awaitReady();
    return relay;
  }

  @Test
  void usersThatAreNotAllowedAreReset() {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay =
        pair(target, "--allow", "127.0.0.0/29", "--deny", "127.0.0.3", "--queue-timeout", "1s");
    userFrom("127.0.0.2", relay).echo("allowed");
    for (String address : new String[] {"127.0.0.3", "127.0.0.9"}) {
      TcpEnd user = userFrom(address, relay);
      assertThat(user.send("hello").awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog(
          "connection\\.refused from=" + address + ":" + user.localPort() + " reason=NOT_ALLOWED",
          SOON);
    }
    assertThat(userFrom("127.0.0.9", relay).awaitEnd(SOON)).as("silent").isEqualTo(Ending.RESET);
    assertThat(target.accepted()).isEqualTo(1);
  }

  @Test
  void agentsThatAreNotAllowedAreReset() {
    String key = Harness.newKey();
    RelayProcess relay = harness.relay(key, "--allow-agents", "127.0.0.8/29");
    harness.agent(key, 1, relay.port()).awaitLog("control\\.(failed|retry)", SOON);
    relay.awaitLog("connection\\.refused from=127\\.0\\.0\\.1:\\d+ reason=NOT_ALLOWED", SOON);
    assertThat(relay.lines("agent\\.attached")).isEmpty();
  }

  @Tag("full")
  @Test
  void sessionsOfAnAddressAreLimited() {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), "--max-sessions-per-network", "2");
    TcpEnd first = userFrom("127.0.0.2", relay).echo("one");
    userFrom("127.0.0.2", relay).echo("two");
    assertThat(userFrom("127.0.0.2", relay).send("three").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    relay.awaitLog("user\\.reset service=default user=127\\.0\\.0\\.2:\\d+ reason=LIMIT", SOON);
    userFrom("127.0.0.3", relay).echo("another address");
    first.finish().awaitEnd(SOON);
    relay.awaitLog("session\\.close .*reason=DONE", SOON);
    userFrom("127.0.0.2", relay).echo("three");
  }

  /** Each gets its rate, and of a service about half of what there is. */
  @Tag("full")
  @ParameterizedTest
  @CsvSource({"--rate=256k, 256, 256", "--service-rate=512k, 128, 384"})
  void bytesPerSecondAreLimited(String option, int least, int most) throws Exception {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), option);
    List<Async<Long>> users = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      TcpEnd user = harness.user(relay.port());
      users.add(Async.run(() -> echoed(user, Duration.ofSeconds(4))));
    }
    long sum = 0;
    for (Async<Long> user : users) {
      long kilobytesPerSecond = user.get(SOON) / 1024 / 4;
      sum += kilobytesPerSecond;
      assertThat(kilobytesPerSecond).isBetween(least * 7L / 10, most * 14L / 10);
    }
    assertThat(sum).isBetween(512 * 7L / 10, 512 * 14L / 10);
  }

  /** A user that says little is hardly held up by many that take all there is. */
  @Tag("full")
  @Test
  void busyUsersDoNotStarveAQuietOne() throws Exception {
    RelayProcess relay =
        pair(harness.target(Behaviour.ECHO), "--service-rate=1m", "--idle-timeout=5s");
    TcpEnd quiet = harness.user(relay.port()).echo("before");
    List<Async<Long>> busy = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      TcpEnd user = harness.user(relay.port());
      busy.add(Async.run(() -> echoed(user, Duration.ofSeconds(12))));
    }
    for (int i = 0; i < 20; i++) {
      Stopwatch watch = Stopwatch.start();
      quiet.echo("while others take it all " + i);
      assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(3));
      TimeUnit.MILLISECONDS.sleep(500);
    }
    long sum = 0;
    for (Async<Long> user : busy) {
      sum += user.get(SOON);
    }
    assertThat(sum / 12).as("bytes per second").isBetween(700_000L, 1_500_000L);
    assertThat(relay.lines("reason=IDLE")).isEmpty();
  }

  /** Sessions that reach the limit and close leave nothing behind that others have to wait for. */
  @Tag("full")
  @Test
  void closedSessionsDoNotHoldOthersUp() throws Exception {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), "--service-rate=64k");
    for (int i = 0; i < 100; i++) {
      try (TcpEnd user = TcpEnd.connect(relay.port())) {
        user.send(new byte[20 * 1024]);
      }
    }
    await().atMost(SOON).until(() -> relay.lines("session\\.close").size() >= 90);
    TimeUnit.SECONDS.sleep(2);
    Stopwatch watch = Stopwatch.start();
    TcpEnd user = harness.user(relay.port()).send(new byte[128 * 1024]);
    user.receive(128 * 1024);
    assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(8));
  }

  /** How many bytes come back in a time. */
  private static long echoed(TcpEnd user, Duration time) throws Exception {
    Async<Void> writer =
        Async.run(
            () -> {
              byte[] bytes = new byte[16 * 1024];
              try {
                while (true) {
                  user.out().write(bytes);
                }
              } catch (IOException closed) {
                return null;
              }
            });
    long end = System.nanoTime() + time.toNanos();
    byte[] bytes = new byte[64 * 1024];
    long count = 0;
    while (System.nanoTime() - end < 0) {
      count += user.in().read(bytes);
    }
    user.close();
    writer.get(SOON);
    return count;
  }

  @Test
  void newSessionsOfAnAddressAreLimitedInRate() {
    RelayProcess relay = pair(harness.target(Behaviour.ECHO), "--sessions-per-second", "1");
    userFrom("127.0.0.2", relay).echo("one");
    assertThat(userFrom("127.0.0.2", relay).send("two").awaitEnd(SOON)).isEqualTo(Ending.RESET);
    relay.awaitLog("connection\\.refused from=127\\.0\\.0\\.2:\\d+ reason=RATE", SOON);
    userFrom("127.0.0.3", relay).echo("another address");
  }
}
