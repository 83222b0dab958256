package io.c2crelay.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import io.c2crelay.it.support.Wire;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Without faults, users and targets see what a direct connection would show. */
@Timeout(60)
class RelayIT {

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final long MIB = 1024 * 1024;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static Target target;
  private static Pair pair;

  @BeforeAll
  static void startPair() {
    target = SHARED.target(Behaviour.ECHO);
    pair = Pair.start(SHARED, target);
  }

  @AfterEach
  void checkPair() {
    target.setBehaviour(Behaviour.ECHO);
    assertThat(pair.relay().isAlive()).as("relay is alive").isTrue();
    assertThat(pair.agent().isAlive()).as("agent is alive").isTrue();
    try (TcpEnd user = pair.user()) {
      user.echo("still there\n");
    }
  }

  private TcpEnd user() {
    return harness.keep(pair.user());
  }

  @Test
  void userSpeaksFirst() {
    user().echo("hello\n").echo("hello again\n").finishCleanly();
  }

  @Test
  void targetSpeaksFirst() {
    target.setBehaviour(Behaviour.GREETING);
    TcpEnd user = user();
    assertThat(user.receiveText(Behaviour.HELLO.length())).isEqualTo(Behaviour.HELLO);
    user.echo("EHLO user\r\n").finishCleanly();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 70_000, 2_000_000})
  void userHalfClosesFirst(int length) {
    target.setBehaviour(Behaviour.HALF_CLOSE);
    byte[] bytes = Bulk.bytes(length, length);
    TcpEnd user = user();
    user.send(bytes).finish();
    assertThat(user.receiveAll()).isEqualTo(Behaviour.reply(Bulk.of(bytes)));
  }

  @Test
  void targetHalfClosesFirst() {
    target.setManual();
    TcpEnd user = user().send("request");
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receiveText(7)).isEqualTo("request");
    atTarget.send("response").finish();
    assertThat(user.receiveAllText()).isEqualTo("response");
    byte[] more = Bulk.bytes(2, 1_000_000);
    Async<byte[]> reading = Async.run(atTarget::receiveAll);
    user.send(more).finish();
    assertThat(reading.get(SOON)).isEqualTo(more);
  }

  @Test
  void simultaneousHalfClose() {
    target.setManual();
    TcpEnd user = user().send("u");
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receiveText(1)).isEqualTo("u");
    user.send("last of the user").finish();
    atTarget.send("last of the target").finish();
    assertThat(user.receiveAllText()).isEqualTo("last of the target");
    assertThat(atTarget.receiveAllText()).isEqualTo("last of the user");
  }

  @Test
  void cleanCloseIsLogged() {
    int relayMark = pair.relay().mark();
    int agentMark = pair.agent().mark();
    TcpEnd user = user().echo("12345");
    user.finishCleanly();
    String open = "session\\.open .*user=127\\.0\\.0\\.1:" + user.localPort() + " ";
    String opened = pair.relay().awaitLog(relayMark, open, SOON).value("id");
    assertThat(
            pair.relay().awaitLog(relayMark, "session\\.close .*id=" + opened + "\\b", SOON).text())
        .contains("reason=DONE", "up=5", "down=5");
    pair.agent().awaitLog(agentMark, "session\\.open .*id=" + opened + "\\b", SOON);
    assertThat(
            pair.agent().awaitLog(agentMark, "session\\.close .*id=" + opened + "\\b", SOON).text())
        .contains("reason=DONE");
  }

  @Test
  void bulkInBothDirections() {
    long length = 128 * MIB;
    BlockingQueue<Bulk.Sum> sums = new LinkedBlockingQueue<>();
    target.setBehaviour(
        connection -> {
          Async<Bulk.Sum> sending = Bulk.send(connection, 22, length);
          sums.add(Bulk.read(connection.in()));
          sums.add(sending.get(Duration.ofSeconds(50)));
        });
    TcpEnd user = user();
    Async<Bulk.Sum> sending = Bulk.send(user, 11, length);
    Bulk.Sum received = Bulk.receive(user).get(Duration.ofSeconds(50));
    Bulk.Sum sent = sending.get(SOON);
    assertThat(poll(sums)).as("the user's bytes at the target").isEqualTo(sent);
    assertThat(received).as("the target's bytes at the user").isEqualTo(poll(sums));
    assertThat(sent.length()).isEqualTo(length);
  }

  private static <T> T poll(BlockingQueue<T> queue) {
    try {
      T next = queue.poll(20, TimeUnit.SECONDS);
      assertThat(next).as("the target's result").isNotNull();
      return next;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  @Test
  void hundredConcurrentSessions() {
    int count = 100;
    List<TcpEnd> users = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      users.add(user().send("user " + i + "\n"));
    }
    for (int i = 0; i < count; i++) {
      String line = "user " + i + "\n";
      assertThat(users.get(i).receiveText(line.length())).isEqualTo(line);
    }
    List<Async<Void>> echoes = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      TcpEnd user = users.get(i);
      byte[] bytes = Bulk.bytes(i, 100_000);
      echoes.add(
          Async.run(
              () -> {
                Async<byte[]> back = Async.run(user::receiveAll);
                user.send(bytes).finish();
                assertThat(back.get(Duration.ofSeconds(30))).isEqualTo(bytes);
                return null;
              }));
    }
    echoes.forEach(echo -> echo.get(Duration.ofSeconds(40)));
  }

  @Test
  void thousandShortSessions() {
    int threads = 10;
    int each = 100;
    List<Async<Void>> workers = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      int worker = t;
      workers.add(
          Async.run(
              () -> {
                for (int i = 0; i < each; i++) {
                  String text = "worker " + worker + " session " + i;
                  try (TcpEnd user = pair.user()) {
                    user.send(text).finish();
                    assertThat(user.receiveAllText()).as(user.toString()).isEqualTo(text);
                  }
                }
                return null;
              }));
    }
    workers.forEach(worker -> worker.get(Duration.ofSeconds(50)));
  }

  @Test
  void slowUserReceivesLastBytes() {
    byte[] reply = Bulk.bytes(8, 300_000);
    target.setManual();
    int mark = pair.agent().mark();
    TcpEnd user = user().send("go").finish();
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receiveAll()).hasSize(2);
    atTarget.send(reply).finish();
    // the agent is done; the relay holds or still receives the bytes
    pair.agent().awaitLog(mark, "session\\.close .*reason=DONE", SOON);
    assertThat(user.receiveAll()).isEqualTo(reply);
  }

  @Test
  void slowTargetReceivesLastBytes() {
    byte[] upload = Bulk.bytes(9, 300_000);
    target.setManual();
    int mark = pair.relay().mark();
    TcpEnd user = user().send("go");
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receive(2)).hasSize(2);
    atTarget.finish();
    assertThat(user.receiveAll()).isEmpty();
    user.send(upload).finish();
    pair.relay().awaitLog(mark, "session\\.close .*reason=DONE", SOON);
    assertThat(atTarget.receiveAll()).isEqualTo(upload);
  }

  /** The user of one session and the target of another read nothing for 5 s. */
  @Test
  void stalledReaderBlocksOnlyItsSession() {
    long length = 96 * MIB;
    AtomicLong writtenByTarget = new AtomicLong();
    BlockingQueue<Bulk.Sum> sent = new LinkedBlockingQueue<>();
    target.setBehaviour(
        connection -> {
          try (connection) {
            connection.receive(2);
            sent.add(Bulk.write(connection.out(), 5, length, writtenByTarget));
          }
        });
    TcpEnd slowUser = user().send("go");
    slowUser.receive(2);

    target.setManual();
    TcpEnd fastUser = user().send("go");
    TcpEnd slowTarget = target.next();
    slowTarget.receive(2);
    AtomicLong writtenByUser = new AtomicLong();
    Async<Bulk.Sum> fastUserSends = Bulk.send(fastUser, 6, length, writtenByUser);

    target.setBehaviour(Behaviour.ECHO);
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
    TcpEnd other = user();
    byte[] block = Bulk.bytes(7, 60_000);
    long slowest = 0;
    int rounds = 0;
    while (System.nanoTime() < until) {
      long begin = System.nanoTime();
      other.send(block);
      assertThat(other.receive(block.length)).isEqualTo(block);
      slowest = Math.max(slowest, System.nanoTime() - begin);
      rounds++;
    }
    assertThat(rounds).as("echoes of 60 kB in 5 s beside two stalled sessions").isGreaterThan(50);
    assertThat(Duration.ofNanos(slowest)).as("slowest echo").isLessThan(Duration.ofSeconds(4));
    assertThat(writtenByTarget.get()).as("bytes written by the target").isLessThan(length / 2);
    assertThat(writtenByUser.get()).as("bytes written by the user").isLessThan(length / 2);

    Bulk.Sum atTarget = Bulk.receive(slowTarget).get(Duration.ofSeconds(30));
    assertThat(fastUserSends.get(SOON)).isEqualTo(atTarget);
    slowTarget.close();
    Bulk.Sum atUser = Bulk.receive(slowUser).get(Duration.ofSeconds(30));
    assertThat(atUser.length()).isEqualTo(length - 2);
    assertThat(poll(sent).length()).isEqualTo(length);
  }

  @Test
  void emptyPoolDialsPerSession() {
    Target greeting = harness.target(Behaviour.GREETING);
    Pair own = Pair.of(harness, greeting).relayOptions("--pool", "0").start();
    for (int i = 0; i < 20; i++) {
      try (TcpEnd user = own.user()) {
        assertThat(user.receiveText(Behaviour.HELLO.length())).isEqualTo(Behaviour.HELLO);
        user.echo("session " + i).finishCleanly();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7})
  void magicPrefixReachesTarget(int length) {
    target.setManual();
    byte[] bytes =
        Wire.concat(Arrays.copyOf(Wire.magic(), length), "not the magic".getBytes(UTF_8));
    user().send(bytes).finish();
    assertThat(target.next().receiveAll()).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 7})
  void magicPrefixThenFinReachesTarget(int length) {
    target.setManual();
    byte[] bytes = Arrays.copyOf(Wire.magic(), length);
    user().send(bytes).finish();
    assertThat(target.next().receiveAll()).isEqualTo(bytes);
  }

  /** Held for at most 1 s, then forwarded as user bytes. */
  @Test
  void magicPrefixThenSilenceReachesTarget() {
    target.setManual();
    byte[] magic = Wire.magic();
    TcpEnd user = user().send(Arrays.copyOf(magic, 5));
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receive(5)).isEqualTo(Arrays.copyOf(magic, 5));
    user.send("later").finish();
    assertThat(atTarget.receiveAllText()).isEqualTo("later");
  }

  static Stream<Arguments> userBytes() {
    return Stream.of(
        Arguments.of("TLS ClientHello", Wire.clientHello()),
        Arguments.of("HTTP", "GET / HTTP/1.1\r\nHost: example\r\n\r\n".getBytes(UTF_8)),
        Arguments.of("SSH", "SSH-2.0-OpenSSH_9.2\r\n".getBytes(UTF_8)),
        Arguments.of("zeros", new byte[4_096]),
        Arguments.of("noise", Bulk.bytes(99, 100_000)),
        Arguments.of(
            "magic after the first byte", Wire.concat(new byte[] {0}, Wire.magic(), new byte[8])));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("userBytes")
  void anyBytesPassUnchanged(String name, byte[] bytes) {
    target.setManual();
    TcpEnd user = user().send(bytes);
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receive(bytes.length)).as(name).isEqualTo(bytes);
    assertThat(atTarget.send(bytes).socket().isClosed()).isFalse();
    assertThat(user.receive(bytes.length)).as(name + ", echoed").isEqualTo(bytes);
  }

  @Test
  void portScanDoesNotReachTarget() {
    Target scanned = harness.target(Behaviour.ECHO);
    Pair own = Pair.of(harness, scanned).relayOptions("--detect-timeout", "5s").start();
    for (int i = 0; i < 20; i++) {
      TcpEnd scanner = own.user();
      if (i % 2 == 0) {
        scanner.close();
      } else {
        scanner.reset();
      }
    }
    harness.keep(own.user()).echo("a real user\n");
    assertThat(scanned.accepted()).isEqualTo(1);
  }

  @Test
  void userResetReachesTarget() {
    target.setManual();
    TcpEnd user = user().send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);
    user.reset();
    assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  @Test
  void targetResetReachesUser() {
    target.setManual();
    TcpEnd user = user().send("hello");
    TcpEnd atTarget = target.next();
    atTarget.receive(5);
    atTarget.reset();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  @Test
  void resetAfterHalfCloseReachesUser() {
    target.setManual();
    TcpEnd user = user().send("hello").finish();
    TcpEnd atTarget = target.next();
    assertThat(atTarget.receiveAllText()).isEqualTo("hello");
    atTarget.reset();
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  @Test
  void ipv6UserIsServed() {
    TcpEnd user = harness.keep(TcpEnd.connect(new InetSocketAddress("::1", pair.port())));
    user.echo("over IPv6\n");
  }
}
