package io.c2crelay.it.support;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;

/** A running {@code server2server.jar}. */
public final class RelayProcess extends JarProcess {

  private static final Duration START = Duration.ofSeconds(60);

  RelayProcess(String name, Launch launch, Path log) {
    super(name, launch, log);
  }

  /** The line that says where it listens. */
  public LogLine awaitListening() {
    return awaitLog("relay\\.listening .*\\bport=\\d+", START);
  }

  public int port() {
    return Integer.parseInt(awaitListening().value("port"));
  }

  /** Its port on this host's IPv4 loopback, which users and agents share here. */
  public InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port());
  }
}
