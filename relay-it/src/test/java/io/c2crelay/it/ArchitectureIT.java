package io.c2crelay.it;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The package dependencies of ARCHITECTURE.md. */
class ArchitectureIT {

  private static final String COMMON = "io.c2crelay.common..";
  private static final String RELAY = "io.c2crelay.relay..";
  private static final String AGENT = "io.c2crelay.agent..";

  private static JavaClasses classes;

  @BeforeAll
  static void readClasses() {
    Path root =
        Path.of(System.getProperty("basedir", ".")).toAbsolutePath().resolve("..").normalize();
    List<Path> paths =
        Stream.of("relay-common", "server2server", "client2client")
            .map(module -> root.resolve(module).resolve("target").resolve("classes"))
            .collect(Collectors.toList());
    assertThat(paths).allMatch(path -> path.toFile().isDirectory(), "is a directory");
    classes = new ClassFileImporter().importPaths(paths);
    assertThat(classes).isNotEmpty();
  }

  @Test
  void commonDependsOnNeitherSide() {
    noClasses()
        .that()
        .resideInAPackage(COMMON)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(RELAY, AGENT)
        .check(classes);
  }

  @Test
  void sidesAreIndependent() {
    noClasses()
        .that()
        .resideInAPackage(RELAY)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(AGENT)
        .check(classes);
    noClasses()
        .that()
        .resideInAPackage(AGENT)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(RELAY)
        .check(classes);
  }

  /**
   * listen -> agents -> auth | session -> address, each -> events -> common; the root depends on
   * all, none depends on the root.
   */
  @Test
  void relayLayers() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .withOptionalLayers(true)
        .layer("root")
        .definedBy("io.c2crelay.relay")
        .layer("listen")
        .definedBy("io.c2crelay.relay.listen..")
        .layer("agents")
        .definedBy("io.c2crelay.relay.agents..")
        .layer("auth")
        .definedBy("io.c2crelay.relay.auth..")
        .layer("session")
        .definedBy("io.c2crelay.relay.session..")
        .layer("address")
        .definedBy("io.c2crelay.relay.address..")
        .layer("events")
        .definedBy("io.c2crelay.relay.events..")
        .whereLayer("root")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("listen")
        .mayOnlyBeAccessedByLayers("root")
        .whereLayer("agents")
        .mayOnlyBeAccessedByLayers("root", "listen")
        .whereLayer("auth")
        .mayOnlyBeAccessedByLayers("root", "agents")
        .whereLayer("session")
        .mayOnlyBeAccessedByLayers("root", "listen", "agents")
        .whereLayer("address")
        .mayOnlyBeAccessedByLayers("root", "listen", "agents", "auth", "session")
        .check(classes);
  }

  /**
   * control -> data -> connect | events -> common; the root depends on all, none depends on the
   * root.
   */
  @Test
  void agentLayers() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .withOptionalLayers(true)
        .layer("root")
        .definedBy("io.c2crelay.agent")
        .layer("control")
        .definedBy("io.c2crelay.agent.control..")
        .layer("data")
        .definedBy("io.c2crelay.agent.data..")
        .layer("connect")
        .definedBy("io.c2crelay.agent.connect..")
        .layer("events")
        .definedBy("io.c2crelay.agent.events..")
        .whereLayer("root")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("control")
        .mayOnlyBeAccessedByLayers("root")
        .whereLayer("data")
        .mayOnlyBeAccessedByLayers("root", "control")
        .whereLayer("connect")
        .mayOnlyBeAccessedByLayers("root", "control", "data")
        .check(classes);
  }

  @Test
  void onlyEventsLog() {
    noClasses()
        .that()
        .resideInAnyPackage(RELAY, AGENT)
        .and()
        .resideOutsideOfPackage("io.c2crelay.*.events")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.slf4j..")
        .check(classes);
  }

  @Test
  void noPackageCycles() {
    for (String side : List.of("common", "relay", "agent")) {
      slices()
          .matching("io.c2crelay." + side + ".(*)..")
          .should()
          .beFreeOfCycles()
          .allowEmptyShould(true)
          .check(classes);
    }
  }
}
