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
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Creates hosts as network namespaces (ip-netns(8)) and removes them when closed. The JVM's own
 * namespace is a host too, for users and targets in the test. Needs root and {@code ip} (iproute2);
 * the test is skipped without them.
 */
public final class Namespaces implements AutoCloseable {

  private static final AtomicInteger NEXT = new AtomicInteger();
  private static final Path ETC = Path.of("/etc/netns");

  private final Host testHost = new Host("");
  private final Deque<Runnable> cleanup = new ArrayDeque<>();
  // random, to avoid networks in use; each link takes a /30
  private final String subnet =
      "10."
          + ThreadLocalRandom.current().nextInt(128, 255)
          + "."
          + ThreadLocalRandom.current().nextInt(256)
          + ".";
  private int links;

  private Namespaces() {}

  public static Namespaces create() {
    assumeTrue("root".equals(System.getProperty("user.name")), "needs root for network namespaces");
    assumeTrue(succeeds("ip", "-V"), "needs ip (iproute2)");
    String probe = unique("p");
    assumeTrue(succeeds("ip", "netns", "add", probe), "needs a kernel with network namespaces");
    boolean hasVeth = succeeds("ip", "-n", probe, "link", "add", "name", "v", "type", "veth");
    Command.check("ip", "netns", "del", probe);
    assumeTrue(hasVeth, "needs a kernel with veth");
    return new Namespaces();
  }

  /** A host. The empty name is the JVM's own namespace. */
  public record Host(String name) {

    /** The command prefix that runs a command on this host; see {@link Launch#wrappedIn}. */
    public String[] exec() {
      return name.isEmpty() ? new String[0] : new String[] {"ip", "netns", "exec", name};
    }

    /** Runs {@code ip} on this host. */
    void ip(String... arguments) {
      List<String> command = new ArrayList<>(List.of("ip"));
      if (!name.isEmpty()) {
        command.addAll(List.of("-n", name));
      }
      command.addAll(List.of(arguments));
      Command.check(command.toArray(new String[0]));
    }

    /** Sets a value of {@code /proc/sys/net/ipv4} on this host. */
    public void set(String key, int value) {
      if (name.isEmpty()) {
        throw new IllegalStateException("settings of the JVM's own host must not change");
      }
      String write = "echo " + value + " > /proc/sys/net/ipv4/" + key;
      Command.check("ip", "netns", "exec", name, "sh", "-c", write);
    }

    /** Sets the name server of programs that start on this host later. */
    public void nameServer(String address) {
      // retries every 2 s and gives up after 10 s
      etc("resolv.conf", "nameserver " + address + "\noptions timeout:2 attempts:5\n");
      // DNS only: bypasses resolvers behind a local socket
      etc("nsswitch.conf", "hosts: files dns\n");
    }

    /** {@code ip netns exec} mounts this file over the one in /etc. */
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

  /** Creates a host. */
  public Host host(String role) {
    Host host = new Host(unique(role));
    cleanup.push(() -> remove(host));
    Command.check("ip", "netns", "add", host.name());
    host.ip("link", "set", "lo", "up");
    return host;
  }

  /** The JVM's own host. */
  public Host testHost() {
    return testHost;
  }

  /** Creates a link without delay or loss: a veth pair. */
  public VethLink veth(Host a, Host b) {
    VethLink link = VethLink.between(a, nextAddress(1), b, nextAddress(2), unique("v"));
    cleanup.push(link::close);
    links++;
    return link;
  }

  /** Creates a link with delay and loss; skips the test where that is not possible. */
  public Wan wan(Host a, Host b) {
    Wan wan = Wan.between(a, nextAddress(1), b, nextAddress(2));
    cleanup.push(wan::close);
    links++;
    return wan;
  }

  private String nextAddress(int host) {
    return subnet + (4 * links + host);
  }

  /** Interface names have at most 15 characters; callers append one. */
  private static String unique(String prefix) {
    return prefix + Long.toString(ProcessHandle.current().pid(), 36) + "-" + NEXT.incrementAndGet();
  }

  private static void remove(Host host) {
    Command.check("ip", "netns", "del", host.name());
    Path etc = ETC.resolve(host.name());
    try {
      for (String file : List.of("resolv.conf", "nsswitch.conf", "")) {
        Files.deleteIfExists(etc.resolve(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Removes everything; continues after a failure and throws the last one. */
  @Override
  public void close() {
    RuntimeException failed = null;
    while (!cleanup.isEmpty()) {
      try {
        cleanup.pop().run();
      } catch (RuntimeException e) {
        failed = e;
      }
    }
    if (failed != null) {
      throw failed;
    }
  }

  private static boolean succeeds(String... command) {
    return Command.run(command).succeeded();
  }
}
