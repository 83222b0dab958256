package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The shipped jars contain Java 8 classes of known packages and the native libraries. */
class ShippedJarsIT {

  private static final int CLASS_MAGIC = 0xCAFEBABE;
  private static final int JAVA_8 = 52;

  /** A class for Java N and newer (multi-release jar). */
  private static final Pattern VERSIONED = Pattern.compile("META-INF/versions/(\\d+)/.*");

  /** Netty loads these classes only if the Java version supports them. */
  private static final String LOADED_CONDITIONALLY =
      "io/netty/util/internal/shaded/org/jctools/queues/varhandle/";

  private static JarFile jar(String property) throws IOException {
    return new JarFile(Path.of(System.getProperty(property)).toFile());
  }

  private static List<JarEntry> classes(JarFile jar) {
    return jar.stream().filter(entry -> entry.getName().endsWith(".class")).toList();
  }

  @ParameterizedTest
  @CsvSource({"relay.jar", "agent.jar"})
  void classesAreForJava8(String property) throws IOException {
    List<String> tooNew = new ArrayList<>();
    try (JarFile jar = jar(property)) {
      for (JarEntry entry : classes(jar)) {
        Matcher versioned = VERSIONED.matcher(entry.getName());
        int allowed =
            versioned.matches() ? JAVA_8 - 8 + Integer.parseInt(versioned.group(1)) : JAVA_8;
        try (DataInputStream in = new DataInputStream(jar.getInputStream(entry))) {
          assertThat(in.readInt()).as(entry.getName()).isEqualTo(CLASS_MAGIC);
          in.readUnsignedShort(); // minor version
          int major = in.readUnsignedShort();
          if (major > allowed && !entry.getName().startsWith(LOADED_CONDITIONALLY)) {
            tooNew.add(entry.getName() + ": Java " + (major - JAVA_8 + 8));
          }
        }
      }
      assertThat(classes(jar)).hasSizeGreaterThan(1_000);
    }
    assertThat(tooNew).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"relay.jar, relay", "agent.jar, agent"})
  void classesAreOfKnownPackages(String property, String side) throws IOException {
    try (JarFile jar = jar(property)) {
      List<String> names =
          classes(jar).stream()
              .map(JarEntry::getName)
              .map(name -> name.replaceFirst("META-INF/versions/\\d+/", ""))
              .toList();
      assertThat(names)
          .allMatch(
              name ->
                  name.matches(
                      "(io/c2crelay/(common|"
                          + side
                          + ")|io/netty|io/prometheus|com/grack/nanojson|org/bouncycastle|picocli|org/slf4j"
                          + "|ch/qos/logback)/.*"),
              "a known package");
      assertThat(jar.stream().map(JarEntry::getName)).doesNotHaveDuplicates();
    }
  }

  @ParameterizedTest
  @CsvSource({"relay.jar", "agent.jar"})
  void nativeLibrariesMatchReadme(String property) throws IOException {
    try (JarFile jar = jar(property)) {
      assertThat(
              jar.stream()
                  .map(JarEntry::getName)
                  .filter(name -> name.matches("META-INF/native/.+"))
                  .map(name -> name.replaceFirst(".*/", "")))
          .containsExactlyInAnyOrder(
              "libnetty_transport_native_epoll_x86_64.so",
              "libnetty_transport_native_epoll_aarch_64.so",
              "libnetty_transport_native_kqueue_x86_64.jnilib",
              "libnetty_transport_native_kqueue_aarch_64.jnilib",
              "libnetty_tcnative_linux_x86_64.so",
              "libnetty_tcnative_linux_aarch_64.so",
              "libnetty_tcnative_osx_x86_64.jnilib",
              "libnetty_tcnative_osx_aarch_64.jnilib",
              "netty_tcnative_windows_x86_64.dll");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "relay.jar, io.c2crelay.relay.RelayCommand",
    "agent.jar, io.c2crelay.agent.AgentCommand"
  })
  void manifestAttributes(String property, String main) throws IOException {
    try (JarFile jar = jar(property)) {
      Attributes manifest = jar.getManifest().getMainAttributes();
      assertThat(manifest.getValue("Main-Class")).isEqualTo(main);
      assertThat(manifest.getValue("Multi-Release")).isEqualTo("true");
      assertThat(manifest.getValue("Enable-Native-Access")).isEqualTo("ALL-UNNAMED");
      assertThat(manifest.getValue("Implementation-Version")).isNotBlank();
    }
  }
}
