package io.c2crelay.it.runtimes;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.it.support.Behaviour;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.JarProcess;
import io.c2crelay.it.support.Launch;
import io.c2crelay.it.support.Pair;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The log is the same in locales with other digits, another calendar or other case rules. */
@Tag("full")
@Timeout(60)
class LocaleIT {

  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension final Harness harness = Harness.perTest();

  @ParameterizedTest(name = "relay in {0}, agent in {1}")
  @CsvSource({"ar-EG, tr-TR", "th-TH-TH, ar-EG"})
  void logIsIndependentOfLocale(String relayLocale, String agentLocale) {
    Pair pair =
        Pair.of(harness, harness.target(Behaviour.ECHO))
            .both(Launch::debug)
            .relay(launch -> setLocale(relayLocale, launch))
            .agent(launch -> setLocale(agentLocale, launch))
            .start();
    harness.user(pair.port()).echo("hello").finishCleanly();
    pair.relay().awaitLog("relay\\.stats .*agents=1 ", SOON);
    pair.agent().awaitLog("agent\\.stats ", SOON);
    assertAscii(pair.relay());
    assertAscii(pair.agent());
  }

  /**
   * @param locale language, country and, optionally, variant, separated by hyphens
   */
  private static void setLocale(String locale, Launch launch) {
    String[] parts = locale.split("-");
    launch.jvmArgs("-Duser.language=" + parts[0], "-Duser.country=" + parts[1]);
    if (parts.length > 2) {
      launch.jvmArgs("-Duser.variant=" + parts[2]);
    }
  }

  /** Checks the project's own lines; at debug level, those of Netty differ. */
  private static void assertAscii(JarProcess process) {
    assertThat(process.lines(" (INFO |DEBUG|WARN ) (?!io\\.netty)[a-z]+\\.[a-z]+"))
        .isNotEmpty()
        .allMatch(line -> line.text().matches("20\\d\\d-\\d\\d-\\d\\dT[ -~]*"), "ASCII, year 20xx");
  }
}
