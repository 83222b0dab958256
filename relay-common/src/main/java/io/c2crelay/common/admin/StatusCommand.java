package io.c2crelay.common.admin;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.c2crelay.common.cli.CliRunner;
import io.c2crelay.common.cli.StartupException;
import io.c2crelay.common.cli.TextFile;
import io.c2crelay.common.transport.Sockets;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URL;
import java.util.Base64;
import java.util.Scanner;
import org.jspecify.annotations.Nullable;

/**
 * The command {@code status [HOST:]PORT [PASSWORD_FILE]} of both programs: prints the status from
 * the admin endpoint of a running program.
 */
public final class StatusCommand {
  private static final String NAME = "status";
  private static final int TIMEOUT_MILLIS = 10_000;

  private final String program;
  private final PrintStream out;
  private final PrintStream err;

  /**
   * @param program the name of the parent command, for messages
   */
  StatusCommand(String program, PrintStream out, PrintStream err) {
    this.program = program;
    this.out = out;
    this.err = err;
  }

  /** Whether a command line asks for the status. */
  public static boolean isRequested(String... args) {
    return args.length > 0 && args[0].equals(NAME);
  }

  /** Prints the status and ends the process. */
  public static void main(String program, String... args) {
    System.exit(new StatusCommand(program, System.out, System.err).run(args));
  }

  /** Returns the exit code. */
  int run(String... args) {
    if (args.length < 2 || args.length > 3) {
      err.println(program + ": expected status [HOST:]PORT [PASSWORD_FILE], as --admin has it");
      return CliRunner.USAGE;
    }
    try {
      String password =
          args.length < 3 ? null : TextFile.secret(args[2], "the password file").firstLine();
      return print(AdminSettings.address(args[1]), password);
    } catch (IllegalArgumentException e) {
      err.println(program + ": " + e.getMessage());
      return CliRunner.USAGE;
    } catch (StartupException e) {
      err.println(program + ": " + e.getMessage());
      return CliRunner.FAILED;
    } catch (IOException e) {
      err.println(program + ": no status from " + args[1] + ": " + Sockets.messageOf(e));
      return CliRunner.FAILED;
    }
  }

  private int print(InetSocketAddress address, @Nullable String password) throws IOException {
    URL url = new URL("http://" + Sockets.text(address) + "/api/status?format=text");
    HttpURLConnection connection = (HttpURLConnection) url.openConnection(Proxy.NO_PROXY);
    connection.setConnectTimeout(TIMEOUT_MILLIS);
    connection.setReadTimeout(TIMEOUT_MILLIS);
    if (password != null) {
      byte[] credentials = ("status:" + password).getBytes(UTF_8);
      connection.setRequestProperty(
          "Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials));
    }
    int code = connection.getResponseCode();
    if (code != HttpURLConnection.HTTP_OK) {
      throw new IOException("the answer is " + code + " " + connection.getResponseMessage());
    }
    try (InputStream in = connection.getInputStream()) {
      Scanner lines = new Scanner(in, UTF_8.name());
      while (lines.hasNextLine()) {
        out.println(lines.nextLine());
      }
    }
    return CliRunner.OK;
  }
}
