package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.opentest4j.TestAbortedException;

/**
 * Starts and stops the processes and resources of a test. After each test it fails the test if a
 * process printed a leak or a stack trace, prints the last lines of every process if the test
 * failed, and closes everything; a per-class harness closes after the last test.
 */
public final class Harness
    implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {

  private static final int TAIL = 100;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final AtomicInteger STARTED = new AtomicInteger();

  private final boolean perClass;
  private final List<JarProcess> processes = new ArrayList<>();
  private final Deque<AutoCloseable> resources = new ArrayDeque<>();
  private String scope = "unscoped";

  private Harness(boolean perClass) {
    this.perClass = perClass;
  }

  /** For an instance field: closes after each test. */
  public static Harness perTest() {
    return new Harness(false);
  }

  /** For a static field: closes after the last test of the class. */
  public static Harness perClass() {
    return new Harness(true);
  }

  /** Writes the file of keys of a relay, one line each. */
  public static Path keyFile(Path directory, String... lines) throws IOException {
    return Files.writeString(directory.resolve("keys"), String.join("\n", lines) + "\n");
  }

  /** A random key in the format that the relay generates. */
  public static String newKey() {
    byte[] bytes = new byte[24];
    String key;
    do {
      RANDOM.nextBytes(bytes);
      key = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    } while (key.startsWith("-"));
    return key;
  }

  public RelayProcess relay(Launch launch) {
    String name = name("relay");
    return register(new RelayProcess(name, launch, log(name)));
  }

  /** A relay on a free port. */
  public RelayProcess relay(String key, String... options) {
    return relay(Launch.relay("0").arguments(options).key(key));
  }

  public AgentProcess agent(Launch launch) {
    String name = name("agent");
    return register(new AgentProcess(name, launch, log(name)));
  }

  /** An agent for a target and a relay on this host. */
  public AgentProcess agent(String key, int targetPort, int relayPort, String... options) {
    return agent(Launch.agent(targetPort, relayPort).arguments(options).key(key));
  }

  /** Runs a jar that exits without a signal. */
  public JarProcess command(Launch launch) {
    String name = name("command");
    return register(new JarProcess(name, launch, log(name)));
  }

  public Target target(Behaviour behaviour) {
    return keep(Target.start(behaviour));
  }

  /** A user of the relay on this port. */
  public TcpEnd user(int port) {
    return keep(TcpEnd.connect(port));
  }

  /** Closes the resource with this harness, before the processes, in reverse order. */
  public <T extends AutoCloseable> T keep(T resource) {
    synchronized (resources) {
      resources.push(resource);
    }
    return resource;
  }

  private static String name(String role) {
    return role + "-" + STARTED.incrementAndGet();
  }

  private Path log(String name) {
    return Paths.get("target", "it-logs", scope + "-" + name + ".log");
  }

  private <T extends JarProcess> T register(T process) {
    synchronized (processes) {
      processes.add(process);
    }
    return process;
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    scope = context.getRequiredTestClass().getSimpleName();
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    if (!perClass) {
      scope =
          context.getRequiredTestClass().getSimpleName()
              + "."
              + context.getRequiredTestMethod().getName()
              + "-"
              + Integer.toHexString(context.getUniqueId().hashCode());
    }
  }

  @Override
  public void afterEach(ExtensionContext context) {
    finish(context, !perClass);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    synchronized (processes) {
      processes.forEach(JarProcess::collectGarbage);
      for (JarProcess process : processes) {
        if (process instanceof RelayProcess && process.isAlive()) {
          triggerLeakReport((RelayProcess) process);
        }
      }
    }
    finish(context, true);
  }

  /**
   * Opens a session so that both processes allocate: Netty reports collected leaks at the next
   * allocation.
   */
  private static void triggerLeakReport(RelayProcess relay) {
    if (relay.lines("relay\\.listening").isEmpty()) {
      return;
    }
    try (TcpEnd user = TcpEnd.connect(relay.port())) {
      user.timeout(1_000).send("touch\n").receive(1);
    } catch (AssertionError ignored) {
      // No answer is required.
    }
  }

  private void finish(ExtensionContext context, boolean close) {
    List<String> forbidden = new ArrayList<>();
    List<String> notClosed = new ArrayList<>();
    synchronized (processes) {
      if (close) {
        notClosed.addAll(closeAll());
      }
      processes.forEach(process -> forbidden.addAll(process.forbiddenLines()));
      boolean failed =
          context
              .getExecutionException()
              .filter(e -> !(e instanceof TestAbortedException))
              .isPresent();
      if (failed || !forbidden.isEmpty()) {
        System.err.println("==== " + context.getDisplayName() + " failed");
        processes.forEach(process -> System.err.println(process.tail(TAIL)));
      }
      if (close) {
        processes.clear();
      }
    }
    if (!forbidden.isEmpty()) {
      throw new AssertionError("forbidden output:\n" + String.join("\n", forbidden));
    }
    if (!notClosed.isEmpty()) {
      throw new AssertionError("cannot close: " + notClosed);
    }
  }

  private List<String> closeAll() {
    List<String> failures = new ArrayList<>();
    synchronized (resources) {
      for (AutoCloseable resource : resources) {
        try {
          resource.close();
        } catch (Exception e) {
          failures.add(resource + ": " + e);
        }
      }
      resources.clear();
    }
    processes.parallelStream().forEach(JarProcess::close);
    return failures;
  }
}
