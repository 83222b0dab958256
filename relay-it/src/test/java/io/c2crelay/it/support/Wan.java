package io.c2crelay.it.support;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.c2crelay.it.support.Namespaces.Host;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;

/**
 * A link with delay and packet loss, for kernels without netem: two tun devices and a program that
 * forwards between them. Unlike a proxy it affects TCP handshakes and retransmissions. Needs {@code
 * python3} and {@code /dev/net/tun}.
 */
public final class Wan implements AutoCloseable {

  private final Host a;
  private final String addressA;
  private final String addressB;
  private final Process process;
  private final BufferedReader replies;
  private final OutputStream commands;

  private Wan(Host a, String addressA, String addressB, Process process) {
    this.a = a;
    this.addressA = addressA;
    this.addressB = addressB;
    this.process = process;
    this.replies = process.inputReader(StandardCharsets.UTF_8);
    this.commands = process.getOutputStream();
  }

  static Wan between(Host a, String addressA, Host b, String addressB) {
    assumeTrue(Files.exists(Path.of("/dev/net/tun")), "needs /dev/net/tun");
    try {
      Process process =
          new ProcessBuilder("python3", script(), name(a), addressA, name(b), addressB)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      Wan wan = new Wan(a, addressA, addressB, process);
      wan.expect("up");
      return wan;
    } catch (IOException e) {
      assumeTrue(false, "needs python3: " + e.getMessage());
      throw new AssertionError(e);
    }
  }

  private static String name(Host host) {
    return host.name().isEmpty() ? "-" : host.name();
  }

  private static String script() {
    try {
      return Path.of(Wan.class.getResource("/wan.py").toURI()).toString();
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** The host's address on this link. */
  public String address(Host host) {
    return a.equals(host) ? addressA : addressB;
  }

  public Wan delay(int oneWayMillis) {
    return set("delay " + oneWayMillis);
  }

  /** Drops this percentage of all packets, in both directions. */
  public Wan loss(int percent) {
    return set("loss " + percent);
  }

  /** Drops this percentage of the packets whose TCP payload starts with these bytes. */
  public Wan lose(byte[] beginning, int percent) {
    return set("lose " + HexFormat.of().formatHex(beginning) + " " + percent);
  }

  /** The number of packets dropped so far. */
  public int lost() {
    return Integer.parseInt(send("lost"));
  }

  private Wan set(String command) {
    String reply = send(command);
    if (!reply.equals("ok")) {
      throw new AssertionError("wan: " + command + ": " + reply);
    }
    return this;
  }

  private synchronized String send(String command) {
    try {
      commands.write((command + "\n").getBytes(StandardCharsets.UTF_8));
      commands.flush();
      return String.valueOf(replies.readLine());
    } catch (IOException e) {
      throw new UncheckedIOException("wan: " + command, e);
    }
  }

  private void expect(String reply) throws IOException {
    String line = replies.readLine();
    if (!reply.equals(line)) {
      process.destroy();
      throw new AssertionError("wan: " + line);
    }
  }

  @Override
  public void close() {
    try {
      commands.close(); // the program exits at end of input
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
