package io.c2crelay.common.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.OpenSsl;
import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;

class RelayTlsTest {
  private static final String WITHOUT_BORINGSSL = "io.netty.handler.ssl.noOpenSsl";

  /** Static, since TLS contexts live as long as the process. */
  private static RelayTls kept;

  @Test
  void boringSslIsUsedIfAvailable() throws Exception {
    assumeTrue(OpenSsl.isAvailable(), "no BoringSSL for this machine");
    assertThat(new TlsCheck().call()).isEqualTo("boringssl");
  }

  @Test
  void jdkIsUsedWithoutBoringSsl() throws Exception {
    OpenSsl.isAvailable(); // initialise this copy before the property is set
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

  /** Without copying, each byte would hold the whole buffer that it arrived in. */
  @Test
  void bytewiseRecordUsesBoundedMemory() throws Exception {
    UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(true, true);
    kept = RelayTls.ofRelay(Identity.create(new SecureRandom()));
    EmbeddedChannel channel = new EmbeddedChannel();
    channel.config().setAllocator(allocator);
    channel.pipeline().addLast(kept.newHandler(channel));
    long before = allocator.metric().usedDirectMemory();
    channel.writeInbound(received(allocator, 22, 3, 1, 0x40, 0)); // a record of 16 KiB
    for (int i = 0; i < 8 * 1024; i++) {
      channel.writeInbound(received(allocator, 0));
    }
    assertThat(allocator.metric().usedDirectMemory() - before).isLessThan(64 * 1024);
    channel.finishAndReleaseAll();
  }

  /** Returns bytes in a larger buffer, as a channel reads them. */
  private static ByteBuf received(ByteBufAllocator allocator, int... bytes) {
    ByteBuf buffer = allocator.directBuffer(512);
    for (int b : bytes) {
      buffer.writeByte(b);
    }
    return buffer;
  }
}
