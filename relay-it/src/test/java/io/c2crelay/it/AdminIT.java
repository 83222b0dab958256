package io.c2crelay.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.c2crelay.it.support.AdminClient;
import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Command;
import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Program;
import io.c2crelay.it.support.Readme;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The admin endpoint: status, metrics, health checks and the page, of both programs. */
@Timeout(120)
class AdminIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Pattern METRIC = Pattern.compile("c2c_(?:relay|agent)_[a-z_]+");

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  /** For the tests that need no agent and change nothing. */
  private static RelayProcess lone;

  @TempDir private Path dir;
  private final String key = Harness.newKey();

  @BeforeAll
  static void start() {
    lone = SHARED.relay(Harness.newKey(), "--admin", "0");
  }

  private RelayProcess relay(String... options) {
    return harness.relay(Launch.relay("0", "--admin", "0").arguments(options).key(key));
  }

  private AgentProcess agent(Target target, RelayProcess relay, String... options) {
    return harness.agent(
        Launch.agent(target.port(), relay.port("default"))
            .arguments("--admin", "0")
            .arguments(options)
            .key(key));
  }

  // ---- status

  @Test
  void statusShowsWhatIsThere() throws Exception {
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = relay("--service", "web=0");
    AdminClient atRelay = AdminClient.of(relay);
    AgentProcess agent = agent(target, relay, "--label", "office");
    AdminClient atAgent = AdminClient.of(agent);
    agent.awaitReady();
    TcpEnd user = harness.user(relay.port("default")).echo("hello");
    TcpEnd waiting = harness.user(relay.port("web")).send("hello");
    String address = "127.0.0.1:" + user.localPort();

    await().atMost(SOON).until(() -> atRelay.status().getArray("waiting").size() == 1);
    JsonObject status = atRelay.status();
    assertThat(status.getInt("version")).isEqualTo(1);
    assertThat(status.getString("program")).isEqualTo("server2server");
    JsonObject service = status.getArray("services").getObject(0);
    assertThat(service.getString("name")).isEqualTo("default");
    assertThat(service.getInt("agents")).isEqualTo(1);
    assertThat(service.getInt("sessions")).isEqualTo(1);
    assertThat(service.getLong("upBytes")).isEqualTo(5);
    assertThat(service.getLong("downBytes")).isEqualTo(5);
    assertThat(status.getArray("services").getObject(1).getInt("usersWaiting")).isEqualTo(1);
    JsonObject attached = status.getArray("agents").getObject(0);
    assertThat(attached.getString("label")).isEqualTo("office");
    assertThat(attached.getString("address")).startsWith("127.0.0.1:");
    assertThat(attached.getString("version")).isEqualTo(status.getString("programVersion"));
    assertThat(attached.getInt("sessions")).isEqualTo(1);
    JsonObject session = status.getArray("sessions").getObject(0);
    assertThat(session.getString("user")).isEqualTo(address);
    assertThat(session.getString("agent")).isEqualTo(attached.getString("name"));
    assertThat(session.getLong("upBytes")).isEqualTo(5);
    assertThat(status.getArray("waiting").getObject(0).getString("user"))
        .isEqualTo("127.0.0.1:" + waiting.localPort());
    assertThat(status.getArray("events").getString(0)).contains("session.open");

    JsonObject ofAgent = atAgent.status();
    assertThat(ofAgent.getString("program")).isEqualTo("client2client");
    assertThat(ofAgent.getArray("relays").getObject(0).getBoolean("attached")).isTrue();
    assertThat(ofAgent.getArray("sessions").getObject(0).getString("user")).isEqualTo(address);
    assertThat(ofAgent.getArray("sessions").getObject(0).getLong("id"))
        .isEqualTo(session.getLong("id"));

    user.finish().awaitEnd(SOON);
    await().atMost(SOON).until(() -> atRelay.status().getArray("sessions").isEmpty());
    assertThat(atRelay.status().getArray("services").getObject(0).getLong("upBytes")).isEqualTo(5);
  }

  @Test
  void statusCommandPrintsTables() {
    JarProcess status =
        harness.command(Launch.relay("status", Integer.toString(AdminClient.of(lone).port())));
    assertThat(status.awaitExit(SOON)).isZero();
    assertThat(String.join("\n", status.stdout()))
        .contains("program: server2server", "services: 1", "agents: 0", "relay.listening");
    assertThat(status.stderr()).isEmpty();
  }

  @Tag("full")
  @ParameterizedTest
  @CsvSource({"'', 2", "x, 2", "1, 1", "1 missing-file, 1", "1 2 3, 2"})
  void statusCommandFailsWithOneLine(String arguments, int code) {
    JarProcess status = harness.command(Launch.agent(("status " + arguments).trim().split(" ")));
    assertThat(status.awaitExit(SOON)).isEqualTo(code);
    assertThat(status.stderr()).hasSize(1).allMatch(line -> line.startsWith("client2client: "));
  }

  @Test
  void signalWritesTheStatusToTheLog() {
    lone.awaitLog("admin\\.listening", SOON);
    await()
        .atMost(SOON)
        .until(
            () -> {
              lone.signal("USR1"); // before it is ready, it is ignored
              return !lone.lines("INFO +status line=\"program: server2server\"").isEmpty();
            });
    lone.awaitLog("INFO +status line=\"services: 1\"", SOON);
  }

  // ---- health

  @Test
  void relayIsReadyWhenEachServiceHasAnAgent() throws Exception {
    RelayProcess relay = relay("--service", "web=0");
    AdminClient client = AdminClient.of(relay);
    assertThat(client.get("/healthz").statusCode()).isEqualTo(200);
    assertThat(client.get("/readyz").statusCode()).isEqualTo(503);
    AgentProcess agent = agent(harness.target(Behaviour.ECHO), relay);
    AdminClient atAgent = AdminClient.of(agent);
    agent.awaitReady();
    assertThat(client.get("/readyz?service=default").statusCode()).isEqualTo(200);
    assertThat(client.get("/readyz?service=web").statusCode()).isEqualTo(503);
    assertThat(client.get("/readyz").statusCode()).isEqualTo(503);
    assertThat(client.get("/readyz?service=other").statusCode()).isEqualTo(404);
    assertThat(atAgent.get("/readyz").statusCode()).isEqualTo(200);
    relay.kill();
    agent.awaitLog("control\\.lost", SOON);
    assertThat(atAgent.get("/readyz").statusCode()).isEqualTo(503);
    assertThat(atAgent.get("/healthz").statusCode()).isEqualTo(200);
  }

  // ---- metrics

  @Test
  void metricsCountWhatHappens() throws Exception {
    RelayProcess relay = relay("--queue-timeout", "200ms");
    AdminClient client = AdminClient.of(relay);
    harness.user(relay.port()).send("too early").awaitEnd(SOON);
    AgentProcess agent = agent(harness.target(Behaviour.ECHO), relay);
    AdminClient atAgent = AdminClient.of(agent);
    agent.awaitReady();
    for (int i = 0; i < 3; i++) {
      TcpEnd user = harness.user(relay.port()).echo("hello");
      user.finish().awaitEnd(SOON);
    }
    String done = "_sessions_closed_total{reason=\"done\",service=\"default\"}";
    await().atMost(SOON).until(() -> client.metric("c2c_relay" + done) == 3);
    await().atMost(SOON).until(() -> atAgent.metric("c2c_agent" + done) == 3);
    assertMetric(client, "c2c_relay_sessions_opened_total{service=\"default\"}", 3);
    assertMetric(client, "c2c_relay_sessions{service=\"default\"}", 0);
    assertMetric(client, "c2c_relay_bytes_total{direction=\"up\",service=\"default\"}", 15);
    assertMetric(client, "c2c_relay_bytes_total{direction=\"down\",service=\"default\"}", 15);
    assertMetric(client, "c2c_relay_agents{service=\"default\"}", 1);
    assertMetric(client, "c2c_relay_users_reset_total{reason=\"no_agent\",service=\"default\"}", 1);
    assertMetric(client, "c2c_relay_connections_classified_total{result=\"user\"}", 4);
    assertMetric(client, "c2c_relay_session_first_byte_seconds_count{service=\"default\"}", 3);
    assertMetric(client, "c2c_relay_session_duration_seconds_count{service=\"default\"}", 3);
    assertMetric(
        atAgent,
        "c2c_agent_attached{relay=\"127.0.0.1:" + relay.port() + "\",service=\"default\"}",
        1);
    assertMetric(atAgent, "c2c_agent_bytes_total{direction=\"up\",service=\"default\"}", 15);
    check(client.get("/metrics").body());
    check(atAgent.get("/metrics").body());
  }

  private static void assertMetric(AdminClient client, String name, double value) throws Exception {
    assertThat(client.metric(name)).as(name).isEqualTo(value);
  }

  /** With Prometheus's own tool, where it is installed. */
  private void check(String metrics) throws Exception {
    if (Program.isInstalled("promtool")) {
      Path file = Files.writeString(dir.resolve("metrics"), metrics);
      Command result = Command.run("/bin/sh", "-c", "promtool check metrics < '" + file + "' 2>&1");
      assertThat(result.output()).isEmpty();
      assertThat(result.succeeded()).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"monitoring/alerts.yml", "monitoring/grafana-dashboard.json", "tasks/metrics.md"})
  void monitoringUsesMetricsOfTheManual(String name) throws Exception {
    Path file = Readme.ROOT.resolve("docs").resolve(name);
    Set<String> documented =
        List.of("relay", "agent").stream()
            .flatMap(side -> Readme.operations().table("Metrics of the " + side, "metric").stream())
            .flatMap(row -> Readme.code(row.get(0)))
            .collect(Collectors.toSet());
    Set<String> used =
        METRIC
            .matcher(Files.readString(file))
            .results()
            .map(MatchResult::group)
            .map(metric -> metric.replaceFirst("_bucket$", ""))
            .collect(Collectors.toSet());
    assertThat(documented).containsAll(used);
    assertThat(used).hasSizeGreaterThan(5);
    if (name.endsWith(".json")) {
      JsonObject dashboard = JsonParser.object().from(Files.readString(file));
      assertThat(dashboard.getArray("panels")).hasSizeGreaterThan(5);
    } else if (name.endsWith(".yml") && Program.isInstalled("promtool")) {
      assertThat(Command.run("promtool", "check", "rules", file.toString()).succeeded()).isTrue();
    }
  }

  // ---- who may look

  @Test
  void passwordIsRequired() throws Exception {
    Path file = Files.writeString(dir.resolve("password"), "a secret\n");
    RelayProcess relay = relay("--admin-password-file", file.toString());
    AdminClient client = AdminClient.of(relay);
    HttpResponse<String> refused = client.get("/api/status");
    assertThat(refused.statusCode()).isEqualTo(401);
    assertThat(refused.headers().firstValue("WWW-Authenticate")).isPresent();
    for (String path : List.of("/", "/metrics", "/api/status")) {
      assertThat(client.get(path, "Authorization", basic("any:a secret")).statusCode())
          .isEqualTo(200);
    }
    for (String wrong : List.of(basic("any:wrong"), "Basic !")) {
      long begin = System.nanoTime();
      assertThat(client.get("/metrics", "Authorization", wrong).statusCode()).isEqualTo(401);
      assertThat(Duration.ofNanos(System.nanoTime() - begin))
          .as("guesses are slow")
          .isGreaterThan(Duration.ofMillis(900));
    }
    assertThat(relay.lines("admin\\.refused from=127")).hasSize(2);
    assertThat(client.get("/healthz").statusCode()).isEqualTo(200);
    JarProcess status =
        harness.command(Launch.relay("status", Integer.toString(client.port()), file.toString()));
    assertThat(status.awaitExit(SOON)).isZero();
    assertThat(relay.lines("a secret")).isEmpty();
  }

  private static String basic(String credentials) {
    return "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes(UTF_8));
  }

  @Tag("full")
  @ParameterizedTest
  @ValueSource(strings = {"--admin=0.0.0.0:0", "--admin=:x", "--admin=70000", "--admin=[::]:0"})
  void openEndpointNeedsAPassword(String option) {
    JarProcess relay = harness.command(Launch.relay("0", option).key(key));
    assertThat(relay.awaitExit(SOON)).isEqualTo(2);
    assertThat(relay.stderr().get(0)).startsWith("server2server: --admin ");
  }

  @Test
  void portInUseEndsTheStart() {
    int port = AdminClient.of(lone).port();
    JarProcess other =
        harness.command(Launch.relay("0", "--admin", Integer.toString(port)).key(key));
    assertThat(other.awaitExit(SOON)).isEqualTo(1);
    assertThat(String.join("\n", other.stderr()))
        .contains("cannot listen on 127.0.0.1:" + port + " (--admin): Address already in use");
  }

  /** A name that is not this host's: a page elsewhere, by a name server of its own. */
  @Test
  void otherNamesAreRefusedWithoutAPassword() {
    AdminClient client = AdminClient.of(lone);
    assertThat(request(client, "GET /api/status HTTP/1.1\r\nHost: evil.example\r\n"))
        .startsWith("HTTP/1.1 403");
    assertThat(request(client, "GET /api/status HTTP/1.1\r\nHost: localhost:1\r\n"))
        .startsWith("HTTP/1.1 200");
  }

  private String request(AdminClient client, String head) {
    return harness.user(client.port()).send(head + "Connection: close\r\n\r\n").receiveAllText();
  }

  /** A client that asks without reading must not fill the memory, whose end is the program's. */
  @Test
  void requestsAreAnsweredOneByOne() throws Exception {
    AdminClient client = AdminClient.of(lone);
    String request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    TcpEnd hostile = harness.user(client.port());
    Async<Void> flood =
        Async.run(
            () -> {
              hostile.send(request.repeat(500_000));
              return null;
            });
    assertThatThrownBy(() -> flood.get(SOON)).as("20 MB").isInstanceOf(AssertionError.class);
    TcpEnd inTurn = harness.user(client.port());
    for (int i = 0; i < 3; i++) {
      StringBuilder answer = new StringBuilder(inTurn.send(request).receiveText(15));
      while (!answer.toString().endsWith("\r\n\r\nok\n")) {
        answer.append(inTurn.receiveText(1));
      }
      assertThat(answer).startsWith("HTTP/1.1 200 OK");
    }
    assertThat(client.get("/healthz").statusCode()).isEqualTo(200);
  }

  @Tag("full")
  @ParameterizedTest
  @CsvSource({
    "POST /api/status HTTP/1.1, 405",
    "DELETE / HTTP/1.1, 405",
    "GET /../etc/passwd HTTP/1.1, 404",
    "HEAD / HTTP/1.1, 200",
  })
  void onlyReadingIsAllowed(String line, int code) {
    AdminClient client = AdminClient.of(lone);
    String answer = request(client, line + "\r\nHost: 127.0.0.1\r\n");
    assertThat(answer).startsWith("HTTP/1.1 " + code);
    if (line.startsWith("HEAD")) {
      assertThat(answer).doesNotContain("<html");
    }
  }

  @Tag("full")
  @Test
  void endpointIsBounded() throws Exception {
    AdminClient client = AdminClient.of(lone);
    assertThat(
            harness
                .user(client.port())
                .send("GET / HTTP/1.1\r\nX: " + "x".repeat(20_000) + "\r\n\r\n")
                .receiveAllText())
        .doesNotContain("<html");
    List<TcpEnd> idle = new ArrayList<>();
    for (int i = 0; i < 32; i++) {
      idle.add(harness.user(client.port()));
    }
    assertThat(client.get("/healthz").statusCode()).as("the oldest gives way").isEqualTo(200);
    assertThat(idle.remove(0).awaitEnd(SOON)).isEqualTo(Ending.RESET);
    for (TcpEnd connection : idle) {
      assertThat(connection.awaitEnd(SOON)).as("idle for 10 s").isNotNull();
    }
    assertThat(client.get("/healthz").statusCode()).isEqualTo(200);
  }

  // ---- the page

  /** What a browser shows is what the API has; a label is text, whatever it contains. */
  @Tag("full")
  @Test
  void pageShowsTheStatus() throws Exception {
    Program.assumeInstalled("chromium");
    String hostile = "<img src=x onerror=document.title='hacked'>";
    Target target = harness.target(Behaviour.ECHO);
    RelayProcess relay = relay("--service", "web=0");
    AdminClient client = AdminClient.of(relay);
    agent(target, relay, "--label", hostile).awaitReady();
    TcpEnd user = harness.user(relay.port("default")).echo("hello");
    String page =
        Program.output(
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--user-data-dir=" + dir,
            "--virtual-time-budget=3000",
            "--dump-dom",
            "http://127.0.0.1:" + client.port() + "/");
    assertThat(page)
        .contains("<title>server2server status</title>")
        .contains("Sessions (1)", "Agents (1)", "Services (2)", "Waiting users (0)")
        .contains("<td>127.0.0.1:" + user.localPort() + "</td>")
        .contains("<td>" + hostile.replace("<", "&lt;").replace(">", "&gt;") + "</td>")
        .contains("role=\"status\" class=\"muted\"></span>") // up to date
        .doesNotContain("<img");
    JsonObject status = client.status();
    for (String list : List.of("services", "agents", "sessions")) {
      for (Object row : status.getArray(list)) {
        JsonObject member = (JsonObject) row;
        assertThat(page).contains("<td>" + member.getString("service", member.getString("name")));
      }
    }
  }
}
