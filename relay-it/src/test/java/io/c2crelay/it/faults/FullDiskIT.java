package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.faults.Accounts.Kind;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Target;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Nothing can be written to standard error, or nobody reads it: sessions do not notice. */
@Tag("full")
@Timeout(120)
class FullDiskIT {

  private static final Duration SOON = Duration.ofSeconds(60);

  @RegisterExtension final Harness harness = Harness.perTest();
  @TempDir Path directory;

  private final String key = Harness.newKey();
  private final Accounts accounts = new Accounts();
  private final Target target = harness.keep(Target.start(accounts));
  private final int port = Ports.free();
  private JarProcess relay;
  private JarProcess agent;

  /** Both processes, with what a shell does before it becomes one; {@code $log} is a file. */
  private void start(String redirections) {
    relay = harness.command(redirected(Launch.relay("" + port), redirections, "relay"));
    await().atMost(SOON).until(this::listens);
    agent =
        harness.command(
            redirected(
                Launch.agent("" + target.port(), "127.0.0.1", "" + port), redirections, "agent"));
    // nobody tells when the agent is there
    await("a user is served")
        .atMost(SOON)
        .until(() -> accounts.connect(Kind.SHORT, port).settle(SOON) == Ending.FIN);
  }

  private Launch redirected(Launch launch, String redirections, String name) {
    return launch
        .arguments("--log-level", "debug")
        .key(key)
        .wrappedIn(
            "/bin/sh", "-c", "log=$0; " + redirections + " && exec \"$@\"", log(name).toString());
  }

  private Path log(String name) {
    return directory.resolve(name + ".log");
  }

  private boolean listens() {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
      return true;
    } catch (IOException notYet) {
      return false;
    }
  }

  /** So many users, eight at a time. */
  private void serve(int users) {
    List<Async<Void>> hands = new ArrayList<>();
    for (int hand = 0; hand < 8; hand++) {
      hands.add(
          Async.run(
              () -> {
                for (int i = 0; i < users / 8; i++) {
                  accounts.connect(Kind.SHORT, port).settleInOrder(SOON);
                }
                return null;
              }));
    }
    hands.forEach(hand -> hand.get(Duration.ofMinutes(1)));
    accounts.settle(SOON);
  }

  private void stopInOrder() {
    for (JarProcess process : List.of(agent, relay)) {
      process.terminate();
      assertThat(process.awaitExit(SOON)).as("exit code of %s", process.name()).isZero();
    }
  }

  /** A pipe takes 64 KiB; the queue behind it takes 4,096 lines; what comes then is lost. */
  @Test
  void aPipeThatNobodyReadsStopsNeitherSessionsNorTheEnd() throws Exception {
    start("mkfifo $log && exec 2<>$log");
    serve(3_200); // two lines each at the agent
    List<Async<Boolean>> readers = new ArrayList<>();
    for (String name : List.of("relay", "agent")) {
      readers.add(Async.run(() -> says(log(name), " WARN  log.lost lines=")));
    }
    serve(8);
    readers.forEach(reader -> assertThat(reader.get(SOON)).isTrue());
    serve(800);
    stopInOrder();
  }

  /** Reads until a line has this text. */
  private static boolean says(Path pipe, String text) throws IOException {
    try (Stream<String> lines = Files.lines(pipe)) {
      return lines.anyMatch(line -> line.contains(text));
    }
  }

  @Test
  void aFullDiskStopsNothingAndLinesComeAgainOnceThereIsRoom() throws Exception {
    mountSmallDisk();
    Path filler = directory.resolve("filler");
    fill(filler);
    start("exec 2>>$log");
    serve(80);
    assertThat(Files.readString(log("relay"))).doesNotContain("session.open ");
    Files.delete(filler);
    serve(8);
    for (String name : List.of("relay", "agent")) {
      await().atMost(SOON).until(() -> says(log(name), "session.open "));
      await().atMost(SOON).until(() -> says(log(name), "log.lost lines="));
    }
    stopInOrder();
  }

  /** Over the directory of the logs. */
  private void mountSmallDisk() throws Exception {
    assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "size=256k", "c2crelay-test", directory.toString()) == 0,
        "root, to mount a small disk");
    harness.keep(() -> run("umount", "--lazy", directory.toString()));
  }

  private static int run(String... command) throws Exception {
    return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor();
  }

  private static void fill(Path file) throws IOException {
    try (OutputStream out = Files.newOutputStream(file)) {
      while (true) {
        out.write(new byte[4096]);
      }
    } catch (IOException full) {
      assertThat(full).hasMessageContaining("No space left");
    }
  }

  @Test
  void aDeviceThatIsFullStopsNothing() {
    start("exec 2>/dev/full");
    serve(80);
    stopInOrder();
  }

  /** Else a session's socket could get their numbers, and log lines would go to a user. */
  @Test
  void noSocketTakesThePlaceOfClosedStreams() throws Exception {
    start("exec <&- >&- 2>&-");
    serve(80);
    for (JarProcess process : List.of(relay, agent)) {
      for (int descriptor = 0; descriptor <= 2; descriptor++) {
        Path link = Path.of("/proc", "" + process.pid(), "fd", "" + descriptor);
        assertThat(Files.readSymbolicLink(link).toString()).startsWith("/");
      }
    }
    stopInOrder();
  }
}
