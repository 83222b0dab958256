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

/** The arrows between packages, as ARCHITECTURE.md draws them. */
class ArchitectureIT {

  private static final String COMMON = "io.c2crelay.common..";
  private static final String SERVER = "io.c2crelay.server..";
  private static final String CLIENT = "io.c2crelay.client..";

  private static JavaClasses classes;

  @BeforeAll
  static void readClasses() {
    Path root =
        Path.of(System.getProperty("basedir", ".")).toAbsolutePath().resolve("..").normalize();
    List<Path> paths =
        Stream.of("relay-common", "server2server", "client2client")
            .map(module -> root.resolve(module).resolve("target").resolve("classes"))
            .collect(Collectors.toList());
    assertThat(paths).allMatch(path -> path.toFile().isDirectory(), "is a directory of classes");
    classes = new ClassFileImporter().importPaths(paths);
    assertThat(classes).isNotEmpty();
  }

  @Test
  void commonSeesNeitherSide() {
    noClasses()
        .that()
        .resideInAPackage(COMMON)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(SERVER, CLIENT)
        .check(classes);
  }

  @Test
  void theTwoSidesDoNotSeeEachOther() {
    noClasses()
        .that()
        .resideInAPackage(SERVER)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(CLIENT)
        .check(classes);
    noClasses()
        .that()
        .resideInAPackage(CLIENT)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(SERVER)
        .check(classes);
  }

  /** accept -> agent | session -> common; the root sees all and is seen by none. */
  @Test
  void relayFlowsOneWay() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .withOptionalLayers(true)
        .layer("root")
        .definedBy("io.c2crelay.server")
        .layer("accept")
        .definedBy("io.c2crelay.server.accept..")
        .layer("agent")
        .definedBy("io.c2crelay.server.agent..")
        .layer("session")
        .definedBy("io.c2crelay.server.session..")
        .whereLayer("root")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("accept")
        .mayOnlyBeAccessedByLayers("root")
        .whereLayer("agent")
        .mayOnlyBeAccessedByLayers("root", "accept", "session")
        .whereLayer("session")
        .mayOnlyBeAccessedByLayers("root", "accept", "agent")
        .check(classes);
  }

  /** control -> data -> connect -> common; the root sees all and is seen by none. */
  @Test
  void agentFlowsOneWay() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .withOptionalLayers(true)
        .layer("root")
        .definedBy("io.c2crelay.client")
        .layer("control")
        .definedBy("io.c2crelay.client.control..")
        .layer("data")
        .definedBy("io.c2crelay.client.data..")
        .layer("connect")
        .definedBy("io.c2crelay.client.connect..")
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

  /** Agent and session may meet one way, not both; and so everywhere. */
  @Test
  void noPackageSeesItselfThroughAnother() {
    for (String side : List.of("common", "server", "client")) {
      slices()
          .matching("io.c2crelay." + side + ".(*)..")
          .should()
          .beFreeOfCycles()
          .allowEmptyShould(true)
          .check(classes);
    }
  }
}
