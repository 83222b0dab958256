package io.c2crelay.it.programs;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.util.List;
import org.apache.sshd.common.file.virtualfs.VirtualFileSystemFactory;
import org.apache.sshd.common.keyprovider.KeyPairProvider;
import org.apache.sshd.server.SshServer;
import org.apache.sshd.server.command.AbstractCommandSupport;
import org.apache.sshd.sftp.server.SftpSubsystemFactory;

/**
 * An SSH server with SFTP below one directory. The command {@code cat} echoes its input. Any other
 * command, and the shell, interprets the lines {@code out TEXT}, {@code err TEXT} and {@code exit
 * CODE}.
 */
final class SshTarget implements AutoCloseable {

  static final String USER = "user";
  static final String PASSWORD = "a password";

  private final SshServer server = SshServer.setUpDefaultServer();
  private final PublicKey hostKey;

  SshTarget(Path directory) throws IOException, GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(256);
    KeyPair keys = generator.generateKeyPair();
    hostKey = keys.getPublic();
    server.setHost("127.0.0.1");
    server.setKeyPairProvider(KeyPairProvider.wrap(keys));
    server.setPasswordAuthenticator(
        (user, password, session) -> user.equals(USER) && password.equals(PASSWORD));
    server.setCommandFactory((channel, command) -> new Interpreter(command));
    server.setShellFactory(channel -> new Interpreter("a shell"));
    server.setSubsystemFactories(List.of(new SftpSubsystemFactory()));
    server.setFileSystemFactory(new VirtualFileSystemFactory(directory));
    server.start();
  }

  int port() {
    return server.getPort();
  }

  PublicKey hostKey() {
    return hostKey;
  }

  @Override
  public void close() throws IOException {
    server.close(true);
  }

  private static final class Interpreter extends AbstractCommandSupport {

    Interpreter(String command) {
      super(command, null);
    }

    @Override
    public void run() {
      try {
        onExit(getCommand().equals("cat") ? cat() : interpret());
      } catch (IOException e) {
        onExit(255, e.toString());
      }
    }

    private int cat() throws IOException {
      getInputStream().transferTo(getOutputStream());
      getOutputStream().flush();
      return 0;
    }

    private int interpret() throws IOException {
      BufferedReader in =
          new BufferedReader(new InputStreamReader(getInputStream(), StandardCharsets.UTF_8));
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] words = line.split(" ", 2);
        switch (words[0]) {
          case "out":
            writeLine(getOutputStream(), words[1]);
            break;
          case "err":
            writeLine(getErrorStream(), words[1]);
            break;
          case "exit":
            return Integer.parseInt(words[1]);
          default:
            throw new IOException("not a command: " + line);
        }
      }
      return 0;
    }

    private static void writeLine(OutputStream out, String text) throws IOException {
      out.write((text + "\n").getBytes(StandardCharsets.UTF_8));
      out.flush();
    }
  }
}
