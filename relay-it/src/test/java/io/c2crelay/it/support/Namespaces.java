package io.c2crelay.it.support;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Hosts of their own on this machine: network namespaces, which are removed when this is closed.
 * This JVM's own namespace is a host too, so that users and targets can live in a test. Needs root
 * and {@code ip} (iproute2): where they are absent, the test is skipped by name.
 */
public final class Namespaces implements AutoCloseable {

  private static final AtomicInteger MADE = new AtomicInteger();
  private static final Path ETC = Path.of("/etc/netns");

  private final Host here = new Host("");
  private final Deque<Runnable> made = new ArrayDeque<>();
  // at random, so that nobody's is met: a cable takes a /30 out of whatever is in use here
  private final String subnet =
      "10."
          + ThreadLocalRandom.current().nextInt(128, 255)
          + "."
          + ThreadLocalRandom.current().nextInt(256)
          + ".";
  private int links;

  private Namespaces() {}

  public static Namespaces create() {
    assumeTrue("root".equals(System.getProperty("user.name")), "root, to make network namespaces");
    assumeTrue(succeeds("ip", "-V"), "ip (package iproute2)");
    String probe = unique("p");
    assumeTrue(succeeds("ip", "netns", "add", probe), "a kernel that makes network namespaces");
    boolean cables = succeeds("ip", "-n", probe, "link", "add", "name", "v", "type", "veth");
    run("ip", "netns", "del", probe);
    assumeTrue(cables, "a kernel that makes virtual network cards (veth)");
    return new Namespaces();
  }

  /** One host: a namespace. The empty name is the namespace of this JVM. */
  public record Host(String name) {

    /** What goes before a command to run it there; see {@link Launch#wrappedIn}. */
    public String[] exec() {
      return name.isEmpty() ? new String[0] : new String[] {"ip", "netns", "exec", name};
    }

    /** Runs {@code ip} there. */
    void ip(String... arguments) {
      List<String> command = new ArrayList<>(List.of("ip"));
      if (!name.isEmpty()) {
        command.addAll(List.of("-n", name));
      }
      command.addAll(List.of(arguments));
      run(command.toArray(new String[0]));
    }

    /** Sets a value of {@code /proc/sys/net/ipv4} there. */
    public void set(String key, int value) {
      if (name.isEmpty()) {
        throw new IllegalStateException("settings of the machine are left alone");
      }
      String write = "echo " + value + " > /proc/sys/net/ipv4/" + key;
      run("ip", "netns", "exec", name, "sh", "-c", write);
    }

    /** Programs started there from now on ask this name server. */
    public void nameServer(String address) {
      // asks again every 2 s and gives up after 10, so that who waits is soon answered if at all
      etc("resolv.conf", "nameserver " + address + "\noptions timeout:2 attempts:5\n");
      // and nobody else, such as a resolver behind a local socket
      etc("nsswitch.conf", "hosts: files dns\n");
    }

    /** {@code ip netns exec} shows programs this file as the one of /etc. */
    private void etc(String file, String content) {
      Path path = ETC.resolve(name).resolve(file);
      try {
        Files.createDirectories(path.getParent());
        Files.writeString(path, content, StandardCharsets.UTF_8);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** A new host. */
  public Host host(String role) {
    Host host = new Host(unique(role));
    made.push(() -> remove(host));
    run("ip", "netns", "add", host.name());
    host.ip("link", "set", "lo", "up");
    return host;
  }

  /** This JVM's own. */
  public Host here() {
    return here;
  }

  /** A fast link, of two virtual network cards. */
  public Cable cable(Host a, Host b) {
    Cable cable = Cable.between(a, nextAddress(1), b, nextAddress(2), unique("v"));
    made.push(cable::close);
    links++;
    return cable;
  }

  /** A link with delay and loss; skipped by name where that cannot be made. */
  public Wan wan(Host a, Host b) {
    Wan wan = Wan.between(a, nextAddress(1), b, nextAddress(2));
    made.push(wan::close);
    links++;
    return wan;
  }

  private String nextAddress(int host) {
    return subnet + (4 * links + host);
  }

  /** Fits the name of a network card, with a letter more: 15 characters. */
  private static String unique(String prefix) {
    return prefix + Long.toString(ProcessHandle.current().pid(), 36) + "-" + MADE.incrementAndGet();
  }

  private static void remove(Host host) {
    run("ip", "netns", "del", host.name());
    Path etc = ETC.resolve(host.name());
    try {
      for (String file : List.of("resolv.conf", "nsswitch.conf", "")) {
        Files.deleteIfExists(etc.resolve(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Removes all, also if something of it is gone already. */
  @Override
  public void close() {
    RuntimeException failed = null;
    while (!made.isEmpty()) {
      try {
        made.pop().run();
      } catch (RuntimeException e) {
        failed = e;
      }
    }
    if (failed != null) {
      throw failed;
    }
  }

  private static boolean succeeds(String... command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException absent) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  static void run(String... command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new IllegalStateException(String.join(" ", command) + ": " + said);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }
}
