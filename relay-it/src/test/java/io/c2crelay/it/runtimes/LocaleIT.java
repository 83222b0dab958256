package io.c2crelay.it.runtimes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.AgentProcess;
import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.RelayProcess;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where people have other digits, another calendar or another lower-case I, all is the same. */
@Tag("full")
@Timeout(60)
class LocaleIT {

  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @ParameterizedTest(name = "relay in {0}, agent in {1}")
  @CsvSource({"ar-EG, tr-TR", "th-TH-TH, ar-EG"})
  void logIsTheSame(String ofRelay, String ofAgent) {
    String key = Harness.newKey();
    Target target = harness.keep(Target.start(Behaviour.ECHO));
    RelayProcess relay =
        harness.relay(in(ofRelay, Launch.relay("0")).arguments("--log-level", "debug").key(key));
    AgentProcess agent =
        harness.agent(
            in(ofAgent, Launch.agent("" + target.port(), "127.0.0.1", "" + relay.port()))
                .arguments("--log-level", "debug")
                .key(key));
    agent.awaitReady();
    try (TcpEnd user = TcpEnd.connect(relay.port())) {
      user.echo("hello").finish();
      assertThat(user.receiveAll()).isEmpty();
    }
    relay.awaitLog("relay\\.counts .*agents=1 ", SOON);
    agent.awaitLog("agent\\.counts ", SOON);
    assertPlain(relay);
    assertPlain(agent);
  }

  /** Language, country, variant. */
  private static Launch in(String locale, Launch launch) {
    String[] parts = locale.split("-");
    launch.jvmArgs("-Duser.language=" + parts[0], "-Duser.country=" + parts[1]);
    return parts.length > 2 ? launch.jvmArgs("-Duser.variant=" + parts[2]) : launch;
  }

  /** Of what is ours: Netty's own lines differ at {@code debug}. */
  private static void assertPlain(JarProcess process) {
    assertThat(process.lines(" (INFO |DEBUG|WARN ) \\w+ [a-z]+\\.[a-z]+"))
        .isNotEmpty()
        .allMatch(line -> line.text().matches("20\\d\\d-\\d\\d-\\d\\dT[ -~]*"), "ASCII, 20xx AD");
  }
}
