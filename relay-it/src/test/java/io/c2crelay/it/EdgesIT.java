package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Abortive closes: bytes sent before the end are delivered and the end is forwarded, as on a direct
 * connection. Runs with each transport.
 */
@Timeout(90)
class EdgesIT {

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final int ROUNDS = 5;

  /** Larger writes may still be in the sender's kernel at its reset, which discards them. */
  private static final int SENT_AT_ONCE = 20_000;

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static Target target;
  private static final Map<String, Pair> PAIRS = new HashMap<>();

  @BeforeAll
  static void startPairs() {
    target = SHARED.keep(Target.manual());
    for (String transport : new String[] {"auto", "nio"}) {
      PAIRS.put(
          transport,
          Pair.of(SHARED, target)
              .both(launch -> launch.arguments("--transport", transport))
              .start());
    }
  }

  private TcpEnd user(String transport) {
    return harness.keep(PAIRS.get(transport).user());
  }

  // --- bytes before a reset ---

  @ParameterizedTest
  @CsvSource({
    "auto, 6", "auto, 1000", "auto, 20000", "auto, 200000",
    "nio, 6", "nio, 1000", "nio, 20000", "nio, 200000"
  })
  void bytesBeforeUserResetReachTarget(String transport, int length) throws Exception {
    byte[] bytes = Bulk.bytes(length, length);
    for (int round = 0; round < ROUNDS; round++) {
      TcpEnd user = user(transport).send("x");
      TcpEnd atTarget = harness.keep(target.next());
      atTarget.send("a greeting");
      await().until(() -> user.in().available() > 0);
      resetWhenSent(user.send(bytes), length);
      assertThat(atTarget.receiveText(1)).isEqualTo("x");
      assertThat(atTarget.receive(length)).isEqualTo(bytes);
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "auto, 6", "auto, 1000", "auto, 20000", "auto, 200000",
    "nio, 6", "nio, 1000", "nio, 20000", "nio, 200000"
  })
  void bytesBeforeTargetResetReachUser(String transport, int length) throws Exception {
    byte[] bytes = Bulk.bytes(length, length);
    RelayProcess relay = PAIRS.get(transport).relay();
    for (int round = 0; round < ROUNDS; round++) {
      int mark = relay.mark();
      TcpEnd user = user(transport).send("a request");
      TcpEnd atTarget = harness.keep(target.next());
      await().until(() -> atTarget.in().available() > 0);
      resetWhenSent(atTarget.send(bytes), length);
      assertThat(user.receive(length)).isEqualTo(bytes);
      assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      relay.awaitLog(mark, "session\\.close .*reason=TARGET_GONE up=9 down=" + length + " ", SOON);
    }
  }

  /** The user resets before its session begins. */
  @ParameterizedTest
  @CsvSource({"auto, 6", "auto, 20000", "nio, 6", "nio, 20000"})
  void bytesBeforeImmediateResetReachTarget(String transport, int length) {
    byte[] bytes = Bulk.bytes(length, length);
    for (int round = 0; round < ROUNDS; round++) {
      user(transport).send(bytes).reset();
      TcpEnd atTarget = harness.keep(target.next());
      assertThat(atTarget.receive(length)).isEqualTo(bytes);
      assertThat(atTarget.awaitEnd(SOON)).isEqualTo(Ending.RESET);
    }
  }

  /**
   * Often before the agent knows that it is connected. NIO loses the bytes then: the JDK closes.
   */
  @Test
  void bytesOfATargetThatIsResetAtOnceReachTheUser() {
    AtomicReference<byte[]> bytes = new AtomicReference<>();
    Target hasty = harness.target(connection -> connection.send(bytes.get()).reset());
    Pair pair = Pair.of(harness, hasty).start();
    for (int length : new int[] {6, 20_000}) {
      bytes.set(Bulk.bytes(length, length));
      for (int round = 0; round < 20; round++) {
        TcpEnd user = harness.keep(pair.user());
        assertThat(user.receive(length)).isEqualTo(bytes.get());
        assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
      }
    }
  }

  private static void resetWhenSent(TcpEnd end, int sent) throws InterruptedException {
    if (sent > SENT_AT_ONCE) {
      TimeUnit.MILLISECONDS.sleep(100);
    }
    end.reset();
  }

  /** Sends until the connection ends, at most {@code length} bytes. */
  private static CompletableFuture<Void> send(TcpEnd from, int length) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            from.send(new byte[length]);
          } catch (AssertionError ended) {
            // The rest is not sent.
          }
        });
  }

  /** As by an HTTP server that rejects an upload. */
  @ParameterizedTest
  @CsvSource({
    "auto, 3000", "auto, 100000", "auto, 3000000", "auto, 30000000",
    "nio, 3000", "nio, 100000", "nio, 3000000", "nio, 30000000"
  })
  void responseBeforeEndOfRequest(String transport, int request) {
    byte[] answer = Bulk.bytes(1, 2_000);
    for (int round = 0; round < ROUNDS; round++) {
      TcpEnd user = user(transport);
      CompletableFuture<Void> upload = send(user, request);
      TcpEnd atTarget = harness.keep(target.next());
      atTarget.receive(100);
      atTarget.send(answer).finish();
      atTarget.close();
      assertThat(user.receive(answer.length)).isEqualTo(answer);
      upload.join();
      user.close();
    }
  }

  // --- reset after FIN ---

  @Test
  void resetAfterFinIsDetected() {
    assertDetected("auto", Duration.ofSeconds(1));
  }

  @Test
  @Tag("full")
  void resetAfterFinIsDetectedByNio() {
    assertDetected("nio", Duration.ofSeconds(30));
  }

  private void assertDetected(String transport, Duration limit) {
    Pair pair = PAIRS.get(transport);
    int relayMark = pair.relay().mark();
    TcpEnd user = user(transport).send("request").finish();
    TcpEnd atTarget = harness.keep(target.next());
    assertThat(atTarget.receiveAllText()).isEqualTo("request");
    user.reset();
    pair.relay().awaitLog(relayMark, "session\\.close .*reason=USER_GONE ", limit);
    assertThat(atTarget.awaitEnd(SOON)).as("its FIN was first").isEqualTo(Ending.FIN);

    int agentMark = pair.agent().mark();
    relayMark = pair.relay().mark();
    user = user(transport).send("request");
    atTarget = harness.keep(target.next());
    atTarget.receive(7);
    atTarget.send("bye").finish();
    assertThat(user.receiveText(3)).isEqualTo("bye");
    atTarget.reset();
    pair.agent().awaitLog(agentMark, "session\\.close .*reason=TARGET_GONE ", limit);
    pair.relay().awaitLog(relayMark, "session\\.close .*reason=TARGET_GONE ", SOON);
  }

  @Test
  void resetAfterFinRemovesWaitingUser() {
    RelayProcess relay = harness.relay(Harness.newKey(), "--log-level", "debug");
    relay.awaitListening();
    TcpEnd user = harness.user(relay.port()).send("request").finish();
    relay.awaitLog("relay\\.stats .*waiting=1 ", SOON);
    int mark = relay.mark();
    user.reset();
    relay.awaitLog(mark, "relay\\.stats .*waiting=0 ", Duration.ofSeconds(3));
  }

  /** Delivery after a reset takes at most 30 s at each end. */
  @Test
  @Tag("full")
  void stalledReaderIsReset() throws Exception {
    Pair pair = PAIRS.get("auto");
    TcpEnd user = user("auto").withSmallBuffers().send("x");
    TcpEnd atTarget = harness.keep(target.next());
    CompletableFuture<Void> flood = send(atTarget, 30_000_000);
    TimeUnit.SECONDS.sleep(2); // until all buffers are full
    int mark = pair.relay().mark();
    atTarget.reset();
    flood.join();
    pair.relay().awaitLog(mark, "session\\.close ", Duration.ofSeconds(70));
    assertThat(user.awaitEnd(SOON)).isEqualTo(Ending.RESET);
  }

  // --- urgent data ---

  @ParameterizedTest
  @ValueSource(strings = {"auto", "nio"})
  void urgentDataStaysInline(String transport) throws IOException {
    TcpEnd user = user(transport).send("a");
    TcpEnd atTarget = harness.keep(target.next());
    user.socket().sendUrgentData('!');
    user.send("b");
    assertThat(atTarget.receiveText(3)).isEqualTo("a!b");
    atTarget.send("c").socket().sendUrgentData('!');
    atTarget.send("d");
    assertThat(user.receiveText(3)).isEqualTo("c!d");
  }
}
