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
 * A slow link that loses packets, for kernels that have no netem: two tun devices with a program
 * between them. Everything of TCP meets its delay and its loss, handshakes and retransmissions
 * included, which a proxy could not do. Needs {@code python3} and {@code /dev/net/tun}.
 */
public final class Wan implements AutoCloseable {

  private final Host a;
  private final String addressA;
  private final String addressB;
  private final Process process;
  private final BufferedReader answers;
  private final OutputStream questions;

  private Wan(Host a, String addressA, String addressB, Process process) {
    this.a = a;
    this.addressA = addressA;
    this.addressB = addressB;
    this.process = process;
    this.answers = process.inputReader(StandardCharsets.UTF_8);
    this.questions = process.getOutputStream();
  }

  static Wan between(Host a, String addressA, Host b, String addressB) {
    assumeTrue(Files.exists(Path.of("/dev/net/tun")), "tun devices, for a slow, lossy link");
    try {
      Process process =
          new ProcessBuilder("python3", script(), name(a), addressA, name(b), addressB)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      Wan wan = new Wan(a, addressA, addressB, process);
      wan.expect("up");
      return wan;
    } catch (IOException e) {
      assumeTrue(false, "python3, for a slow, lossy link: " + e.getMessage());
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

  /** Where the host at the other end finds this one. */
  public String address(Host host) {
    return a.equals(host) ? addressA : addressB;
  }

  public Wan delay(int oneWayMillis) {
    return ask("delay " + oneWayMillis);
  }

  /** Of the packets, both ways. */
  public Wan loss(int percent) {
    return ask("loss " + percent);
  }

  /** Of the packets whose TCP payload begins like this. */
  public Wan lose(byte[] beginning, int percent) {
    return ask("lose " + HexFormat.of().formatHex(beginning) + " " + percent);
  }

  /** How many packets were lost so far. */
  public int lost() {
    return Integer.parseInt(say("lost"));
  }

  private Wan ask(String question) {
    String answer = say(question);
    if (!answer.equals("ok")) {
      throw new AssertionError("wan: " + question + ": " + answer);
    }
    return this;
  }

  private synchronized String say(String question) {
    try {
      questions.write((question + "\n").getBytes(StandardCharsets.UTF_8));
      questions.flush();
      return String.valueOf(answers.readLine());
    } catch (IOException e) {
      throw new UncheckedIOException("wan: " + question, e);
    }
  }

  private void expect(String answer) throws IOException {
    String line = answers.readLine();
    if (!answer.equals(line)) {
      process.destroy();
      throw new AssertionError("wan: " + line);
    }
  }

  @Override
  public void close() {
    try {
      questions.close(); // which ends it
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
