package io.c2crelay.it.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.faults.VerifiedSessions.Scenario;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Command;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Ports;
import io.c2crelay.it.support.Target;
import java.io.IOException;
import java.io.OutputStream;
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

/** Writes to standard error fail or block; sessions are not affected. */
@Tag("full")
@Timeout(120)
class FullDiskIT {

  private static final Duration SOON = Duration.ofSeconds(60);

  @RegisterExtension final Harness harness = Harness.perTest();
  @TempDir Path directory;

  private final String key = Harness.newKey();
  private final VerifiedSessions sessions = new VerifiedSessions();
  private final Target target = harness.target(sessions);
  private final int port = Ports.free();
  private JarProcess relay;
  private JarProcess agent;

  /** Starts both with these shell redirections; {@code $log} is the path of the log file. */
  private void start(String redirections) {
    relay = harness.command(redirected(Launch.relay("" + port), redirections, "relay"));
    await().atMost(SOON).until(() -> Ports.isListening(port));
    agent = harness.command(redirected(Launch.agent(target.port(), port), redirections, "agent"));
    // standard error is redirected, so there is no log line to wait for
    await("a session succeeds")
        .atMost(SOON)
        .until(() -> sessions.connect(Scenario.SHORT, port).awaitVerifiedEnd(SOON) == Ending.FIN);
  }

  private Launch redirected(Launch launch, String redirections, String name) {
    return launch
        .debug()
        .key(key)
        .wrappedIn(
            "/bin/sh", "-c", "log=$0; " + redirections + " && exec \"$@\"", log(name).toString());
  }

  private Path log(String name) {
    return directory.resolve(name + ".log");
  }

  /** Serves this number of users, eight at a time. */
  private void serve(int users) {
    List<Async<Void>> workers = new ArrayList<>();
    for (int worker = 0; worker < 8; worker++) {
      workers.add(
          Async.run(
              () -> {
                for (int i = 0; i < users / 8; i++) {
                  sessions.connect(Scenario.SHORT, port).finish(SOON);
                }
                return null;
              }));
    }
    workers.forEach(worker -> worker.get(Duration.ofMinutes(1)));
    sessions.verifyTarget(SOON);
  }

  private void assertCleanStop() {
    for (JarProcess process : List.of(agent, relay)) {
      process.terminate();
      assertThat(process.awaitExit(SOON)).as("exit code of %s", process.name()).isZero();
    }
  }

  /** The pipe holds 64 KiB and the log queue 4,096 lines; further lines are dropped. */
  @Test
  void unreadPipeBlocksNeitherSessionsNorShutdown() throws Exception {
    start("mkfifo $log && exec 2<>$log");
    serve(3_200); // two lines each at the agent
    List<Async<Boolean>> readers = new ArrayList<>();
    for (String name : List.of("relay", "agent")) {
      readers.add(Async.run(() -> containsLine(log(name), " WARN  log.lost lines=")));
    }
    serve(8);
    readers.forEach(reader -> assertThat(reader.get(SOON)).isTrue());
    serve(800);
    assertCleanStop();
  }

  /** Reads until a line contains the text; returns false at the end of the file. */
  private static boolean containsLine(Path pipe, String text) throws IOException {
    try (Stream<String> lines = Files.lines(pipe)) {
      return lines.anyMatch(line -> line.contains(text));
    }
  }

  @Test
  void loggingResumesAfterFullDisk() throws Exception {
    mountSmallDisk();
    Path filler = directory.resolve("filler");
    fill(filler);
    start("exec 2>>$log");
    serve(80);
    assertThat(Files.readString(log("relay"))).doesNotContain("session.open ");
    Files.delete(filler);
    serve(8);
    for (String name : List.of("relay", "agent")) {
      await().atMost(SOON).until(() -> containsLine(log(name), "session.open "));
      await().atMost(SOON).until(() -> containsLine(log(name), "log.lost lines="));
    }
    assertCleanStop();
  }

  private void mountSmallDisk() {
    String path = directory.toString();
    assumeTrue(
        Command.run("mount", "-t", "tmpfs", "-o", "size=256k", "c2crelay-test", path).succeeded(),
        "mounting a tmpfs requires root");
    harness.keep(() -> Command.run("umount", "--lazy", path));
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
  void writeErrorsAreIgnored() {
    start("exec 2>/dev/full");
    serve(80);
    assertCleanStop();
  }

  /** A socket with descriptor 2 would send log lines to a user. */
  @Test
  void closedStandardStreamsAreNotReusedBySockets() throws Exception {
    start("exec <&- >&- 2>&-");
    serve(80);
    for (JarProcess process : List.of(relay, agent)) {
      for (int descriptor = 0; descriptor <= 2; descriptor++) {
        Path link = Path.of("/proc", "" + process.pid(), "fd", "" + descriptor);
        assertThat(Files.readSymbolicLink(link).toString()).startsWith("/");
      }
    }
    assertCleanStop();
  }
}
