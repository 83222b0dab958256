package io.c2crelay.common.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.handler.ssl.OpenSsl;
import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;

class RelayTlsTest {
  private static final String WITHOUT_BORINGSSL = "io.netty.handler.ssl.noOpenSsl";

  @Test
  void boringSslIsUsedWhereItLoads() throws Exception {
    assumeTrue(OpenSsl.isAvailable(), "no native part for this machine");
    assertThat(new TlsCheck().call()).isEqualTo("boringssl");
  }

  @Test
  void theJdkIsUsedElsewhere() throws Exception {
    OpenSsl.isAvailable(); // this copy of the classes decides now
    List<URL> classPath = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      classPath.add(new File(entry).toURI().toURL());
    }
    System.setProperty(WITHOUT_BORINGSSL, "true");
    try (URLClassLoader copy =
        new URLClassLoader(classPath.toArray(new URL[0]), ClassLoader.getPlatformClassLoader())) {
      Class<?> check = copy.loadClass(TlsCheck.class.getName());
      assertThat(check).isNotSameAs(TlsCheck.class);
      Callable<?> call = (Callable<?>) check.getDeclaredConstructor().newInstance();
      assertThat(call.call()).isEqualTo("jdk");
    } finally {
      System.clearProperty(WITHOUT_BORINGSSL);
    }
  }
}
