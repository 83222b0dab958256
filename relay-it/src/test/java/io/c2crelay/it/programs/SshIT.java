package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Stream;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.channel.ClientChannel;
import org.apache.sshd.client.channel.ClientChannelEvent;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.config.keys.KeyUtils;
import org.apache.sshd.core.CoreModuleProperties;
import org.apache.sshd.sftp.client.SftpClient;
import org.apache.sshd.sftp.client.SftpClientFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** SSH and SFTP: several channels in one session, both directions at once. */
@Timeout(60)
class SshIT {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final long FILE_SIZE = 24L * 1024 * 1024;

  @RegisterExtension static final Harness SHARED = Harness.perClass();

  @TempDir static Path directory;
  private static SshTarget target;
  private static PlacedPairs pairs;
  private SshClient client;

  @BeforeAll
  static void start() throws Exception {
    target = new SshTarget(directory);
    pairs = PlacedPairs.start(SHARED, target.port());
  }

  @AfterAll
  static void end() throws Exception {
    target.close();
    pairs.check();
  }

  @BeforeEach
  void startClient() {
    client = SshClient.setUpDefaultClient();
    client.setServerKeyVerifier(
        (session, address, key) -> KeyUtils.compareKeys(key, target.hostKey()));
    client.start();
  }

  @AfterEach
  void stopClient() {
    client.stop();
  }

  /** Fails unless the host key is the target's. */
  private ClientSession connect(Pair pair) throws IOException {
    ClientSession session =
        client.connect(SshTarget.USER, "127.0.0.1", pair.port()).verify(SOON).getSession();
    session.addPasswordIdentity(SshTarget.PASSWORD);
    session.auth().verify(SOON);
    return session;
  }

  @ParameterizedTest
  @EnumSource
  void execExchangesLinesAndReturnsExitCode(Placement placement) throws Exception {
    try (ClientSession session = connect(pairs.at(placement));
        ClientChannel command = session.createExecChannel("converse")) {
      command.open().verify(SOON);
      converse(command);
      assertThat(exitCode(command)).isEqualTo(37);
    }
  }

  @ParameterizedTest
  @EnumSource
  void shellExchangesLinesAndReturnsExitCode(Placement placement) throws Exception {
    try (ClientSession session = connect(pairs.at(placement));
        ClientChannel shell = session.createShellChannel()) {
      shell.open().verify(SOON);
      converse(shell);
      assertThat(exitCode(shell)).isEqualTo(37);
    }
  }

  /** Waits for each answer before it sends the next line. */
  private static void converse(ClientChannel channel) throws Exception {
    OutputStream in = channel.getInvertedIn();
    BufferedReader out = lines(channel.getInvertedOut());
    BufferedReader err = lines(channel.getInvertedErr());
    for (int i = 0; i < 20; i++) {
      send(in, "out line " + i);
      assertThat(next(out)).isEqualTo("line " + i);
      send(in, "err message " + i);
      assertThat(next(err)).isEqualTo("message " + i);
    }
    send(in, "exit 37");
  }

  private static BufferedReader lines(InputStream in) {
    return new BufferedReader(new InputStreamReader(in, UTF_8));
  }

  private static String next(BufferedReader lines) {
    return Async.run(lines::readLine).get(SOON);
  }

  private static void send(OutputStream in, String line) throws IOException {
    in.write((line + "\n").getBytes(UTF_8));
    in.flush();
  }

  private static int exitCode(ClientChannel channel) {
    assertThat(channel.waitFor(EnumSet.of(ClientChannelEvent.CLOSED), SOON))
        .contains(ClientChannelEvent.EXIT_STATUS);
    return channel.getExitStatus();
  }

  @ParameterizedTest
  @EnumSource
  void concurrentCommandsDoNotMix(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    try (ClientSession session = connect(pair)) {
      List<Async<Bulk.Sum>> commands = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        byte[] input = Bulk.bytes(i, 300_000 + i);
        commands.add(Async.run(() -> cat(session, input)));
      }
      for (int i = 0; i < commands.size(); i++) {
        assertThat(commands.get(i).get(SOON)).isEqualTo(Bulk.of(Bulk.bytes(i, 300_000 + i)));
      }
    }
    PlacedPairs.assertSessions(pair, mark, 1);
  }

  private static Bulk.Sum cat(ClientSession session, byte[] input) throws IOException {
    try (ClientChannel command = session.createExecChannel("cat")) {
      command.open().verify(SOON);
      Async<Bulk.Sum> output = Async.run(() -> Bulk.read(command.getInvertedOut()));
      try (OutputStream in = command.getInvertedIn()) {
        in.write(input);
      }
      Bulk.Sum sum = output.get(SOON);
      assertThat(exitCode(command)).isZero();
      return sum;
    }
  }

  @ParameterizedTest
  @EnumSource
  void sftpTransfersFileUnchanged(Placement placement) throws Exception {
    try (ClientSession session = connect(pairs.at(placement));
        SftpClient sftp = SftpClientFactory.instance().createSftpClient(session)) {
      Bulk.Sum sent;
      try (OutputStream file = sftp.write("/upload")) {
        sent = Bulk.write(file, 7, FILE_SIZE);
      }
      try (InputStream file = Files.newInputStream(directory.resolve("upload"))) {
        assertThat(Bulk.read(file)).as("the file at the target").isEqualTo(sent);
      }
      try (InputStream file = sftp.read("/upload")) {
        assertThat(Bulk.read(file)).as("the file, read back").isEqualTo(sent);
      }
      sftp.remove("/upload");
    }
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }

  /** The client is silent until the server's banner arrives. */
  @ParameterizedTest
  @EnumSource
  void serverBannerFirst(Placement placement) throws Exception {
    CoreModuleProperties.SEND_IMMEDIATE_IDENTIFICATION.set(client, false);
    for (int i = 0; i < 5; i++) {
      try (ClientSession session = connect(pairs.at(placement));
          ClientChannel command = session.createExecChannel("converse")) {
        command.open().verify(SOON);
        send(command.getInvertedIn(), "exit " + i);
        assertThat(exitCode(command)).isEqualTo(i);
      }
    }
  }
}
