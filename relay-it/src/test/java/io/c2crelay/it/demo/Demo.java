package io.c2crelay.it.demo;

import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Demonstrates the relay on one machine: an HTTP target, a relay, an agent and one request through
 * the relay. Runs until Ctrl-C.
 */
public final class Demo {

  private static final int PORT = 4000;
  private static final Duration START = Duration.ofSeconds(30);
  private static final Pattern LISTENING = Pattern.compile("relay\\.listening .*\\bport=(\\d+)");
  private static final Pattern READY = Pattern.compile("control\\.(ready)\\b");

  private final CountDownLatch ended = new CountDownLatch(1);
  private final CountDownLatch stopRequested = new CountDownLatch(1);
  private final List<Process> processes = new ArrayList<>(); // guarded by itself
  private boolean stopping; // guarded by processes

  private Demo() {}

  public static void main(String[] args) throws Exception {
    Demo demo = new Demo();
    Runtime.getRuntime().addShutdownHook(new Thread(demo::stop, "demo-stop"));
    demo.run();
  }

  private void run() throws Exception {
    HttpServer target = startTarget();
    try {
      int targetPort = target.getAddress().getPort();
      print(
          "1. target:  an HTTP service on 127.0.0.1:"
              + targetPort
              + ", not reachable from outside");

      String key = newKey();
      Process relay =
          start(key, jar("relay.jar", "server2server"), String.valueOf(isFree(PORT) ? PORT : 0));
      int port = Integer.parseInt(awaitLine("relay", relay, LISTENING));
      print("2. relay:   server2server.jar, on port " + port);

      Process agent =
          start(
              key,
              jar("agent.jar", "client2client"),
              String.valueOf(targetPort),
              "127.0.0.1",
              String.valueOf(port));
      awaitLine("agent", agent, READY);
      print("3. agent:   client2client.jar, attached to the relay");

      URI url = URI.create("http://127.0.0.1:" + port + "/");
      HttpResponse<String> response =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(url).timeout(START).build(),
                  HttpResponse.BodyHandlers.ofString());
      print("4. user:    GET " + url + " -> " + response.statusCode());
      response.body().lines().forEach(line -> print("            | " + line));
      if (response.statusCode() != 200) {
        throw new IOException("the request through the relay failed");
      }

      print("");
      print("Open " + url + " - Ctrl-C stops everything.");
      CompletableFuture.anyOf(relay.onExit(), agent.onExit()).thenRun(ended::countDown);
      ended.await();
      // Ctrl-C reaches all processes at once: wait for this one to handle it.
      if (!stopRequested.await(1, TimeUnit.SECONDS)) {
        throw new IOException("the relay or the agent exited unexpectedly");
      }
    } finally {
      target.stop(0);
      stop();
    }
  }

  private static HttpServer startTarget() throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String text =
              "Hello from behind the relay.\n"
                  + "It is "
                  + LocalTime.now().truncatedTo(ChronoUnit.SECONDS)
                  + ".\n"
                  + "This connection is from "
                  + exchange.getRemoteAddress()
                  + ", which is the agent.\n";
          byte[] body = text.getBytes(StandardCharsets.UTF_8);
          exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
          exchange.getResponseHeaders().set("Connection", "close");
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
    return server;
  }

  private Process start(String key, Path jar, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Paths.get(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-jar");
    command.add(jar.toString());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("C2C_KEY", key);
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    synchronized (processes) {
      if (stopping) {
        throw new IOException("stopped");
      }
      Process process = builder.start();
      processes.add(process);
      return process;
    }
  }

  /** Prints all output of the process; returns the first group of the first match. */
  private String awaitLine(String name, Process process, Pattern pattern)
      throws IOException, InterruptedException {
    CompletableFuture<String> found = new CompletableFuture<>();
    Thread thread =
        new Thread(() -> copy(name, process.getInputStream(), pattern, found), "demo-" + name);
    thread.setDaemon(true);
    thread.start();
    try {
      return found.get(START.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException("the " + name + " did not start", e);
    }
  }

  private static void copy(
      String name, InputStream stream, Pattern pattern, CompletableFuture<String> found) {
    try (BufferedReader reader =
        new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        print("   [" + name + "] " + line);
        Matcher matcher = pattern.matcher(line);
        if (matcher.find()) {
          found.complete(matcher.group(1));
        }
      }
    } catch (IOException ignored) {
      // Expected if the process was stopped.
    }
    found.completeExceptionally(new IOException(name + " exited"));
  }

  private void stop() {
    stopRequested.countDown();
    List<Process> all;
    synchronized (processes) {
      stopping = true;
      all = List.copyOf(processes);
    }
    all.forEach(process -> process.toHandle().destroy());
    for (Process process : all) {
      try {
        if (!process.waitFor(2, TimeUnit.SECONDS)) {
          process.toHandle().destroyForcibly();
        }
      } catch (InterruptedException e) {
        process.toHandle().destroyForcibly();
        Thread.currentThread().interrupt();
      }
    }
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress((InetAddress) null, port));
      return true;
    } catch (IOException inUse) {
      return false;
    }
  }

  private static Path jar(String property, String module) throws IOException {
    String override = System.getProperty(property);
    Path jar =
        override != null ? Paths.get(override) : Paths.get("..", module, "target", module + ".jar");
    Path absolute = jar.toAbsolutePath().normalize();
    if (!Files.isRegularFile(absolute)) {
      throw new IOException("no jar at " + absolute);
    }
    return absolute;
  }

  private static String newKey() {
    byte[] bytes = new byte[24];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  private static void print(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
