package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The command line and environment of one of the two shaded jars.
 *
 * <p>System properties: {@code relay.jar} and {@code agent.jar} are the jars; {@code it.java} is
 * the {@code java} executable; {@code it.jvm.args} adds JVM flags, separated by spaces.
 */
public final class Launch {

  /**
   * Raises the thresholds of C2 to ten times the defaults, which saves a sixth of the CPU time of a
   * start; tests that measure use the flags of the systemd unit. Sets the machine id: otherwise
   * Netty derives it from all network interfaces and, at debug, logs a stack trace if one
   * disappears meanwhile, as interfaces of tests do.
   */
  private static final List<String> JVM_ARGS =
      List.of(
          "-Xmx256m",
          "-Xss512k",
          "-XX:+UseSerialGC",
          "-XX:Tier4InvocationThreshold=50000",
          "-XX:Tier4MinInvocationThreshold=6000",
          "-XX:Tier4CompileThreshold=150000",
          "-XX:Tier4BackEdgeThreshold=400000",
          "-Dio.netty.leakDetection.level=paranoid",
          "-Dio.netty.machineId=02:00:00:00:00:01");

  private final Path jar;
  private final List<String> arguments = new ArrayList<>();
  private final List<String> jvmArgs = new ArrayList<>(JVM_ARGS);
  private final List<String> wrapper = new ArrayList<>();
  private final Map<String, String> environment = new LinkedHashMap<>();
  private boolean sharesClasses = true;
  private String java = System.getProperty("it.java", defaultJava());

  private Launch(Path jar) {
    this.jar = jar;
    String more = System.getProperty("it.jvm.args", "").trim();
    if (!more.isEmpty()) {
      jvmArgs.addAll(List.of(more.split("\\s+")));
    }
  }

  public static Launch relay(String... arguments) {
    return new Launch(jar("relay.jar", "server2server")).arguments(arguments);
  }

  public static Launch agent(String... arguments) {
    return new Launch(jar("agent.jar", "client2client")).arguments(arguments);
  }

  /** An agent for a target and a relay on this host. */
  public static Launch agent(int targetPort, int relayPort) {
    return agent(Integer.toString(targetPort), "127.0.0.1", Integer.toString(relayPort));
  }

  public Launch arguments(String... more) {
    arguments.addAll(List.of(more));
    return this;
  }

  public Launch jvmArgs(String... more) {
    jvmArgs.addAll(List.of(more));
    return this;
  }

  /** Uses no JVM flags. */
  public Launch plainJvm() {
    jvmArgs.clear();
    sharesClasses = false;
    return this;
  }

  /** Uses only the JVM flags of the systemd unit. */
  public Launch unitJvm() {
    jvmArgs.clear();
    sharesClasses = false;
    jvmArgs.addAll(SystemdUnit.of(module()).jvmFlags());
    return this;
  }

  /**
   * For tests that measure memory; skips the test where that is not possible. Uses the JVM flags of
   * the systemd unit, and makes the heap resident at the start, so that growth of resident memory
   * is not caused by the heap. Logs the counts.
   */
  public Launch measured() {
    Footprint.assumeKnown();
    return unitJvm().jvmArgs("-XX:+AlwaysPreTouch").debug();
  }

  /** Logs at debug level, which includes the counts. */
  public Launch debug() {
    return arguments("--log-level", "debug");
  }

  /** Sets the {@code java} executable. */
  public Launch java(String executable) {
    this.java = executable;
    sharesClasses = false;
    return this;
  }

  public Launch env(String name, String value) {
    environment.put(name, value);
    return this;
  }

  /** Passes the key in the environment: arguments are visible in {@code ps}. */
  public Launch key(String key) {
    return env("C2C_KEY", key);
  }

  /** Runs the command with a wrapper that execs it (same process id), such as {@code env}. */
  public Launch wrappedIn(String... command) {
    wrapper.clear();
    wrapper.addAll(List.of(command));
    return this;
  }

  /** Limits the number of file descriptors. */
  public Launch descriptors(int limit) {
    return wrappedIn("/bin/sh", "-c", "ulimit -n " + limit + " && exec \"$@\"", "sh");
  }

  public List<String> command() {
    List<String> command = new ArrayList<>(wrapper);
    command.add(java);
    if (sharesClasses) {
      command.addAll(ClassArchive.flags(module(), anywhere()));
    }
    command.addAll(jvmArgs);
    command.add("-jar");
    command.add(jar.toString());
    command.addAll(arguments);
    return command;
  }

  /** The same program, with arguments of an idle start. */
  private Launch anywhere() {
    Launch other =
        module().equals("server2server")
            ? relay("--bind", "127.0.0.1", "0")
            : agent(22, Ports.free());
    other.sharesClasses = false;
    return other.key(Harness.newKey());
  }

  private String module() {
    return jar.getFileName().toString().replaceFirst("\\.jar$", "");
  }

  Process start() throws IOException {
    if (!Files.isRegularFile(jar)) {
      throw new IOException("no jar at " + jar + ": run 'mvn -B verify' from the root");
    }
    ProcessBuilder builder = new ProcessBuilder(command());
    builder.environment().remove("C2C_KEY");
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    builder.environment().remove("JDK_JAVA_OPTIONS");
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static Path jar(String property, String module) {
    String override = System.getProperty(property);
    if (override != null) {
      return Paths.get(override).toAbsolutePath().normalize();
    }
    return Paths.get("..", module, "target", module + ".jar").toAbsolutePath().normalize();
  }

  private static String defaultJava() {
    return Paths.get(System.getProperty("java.home"), "bin", "java").toString();
  }
}
