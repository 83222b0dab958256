package io.c2crelay.it.support;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;

/** A running {@code server2server.jar}. */
public final class RelayProcess extends JarProcess {

  private static final Duration START = Duration.ofSeconds(60);

  RelayProcess(String name, Launch launch, Path log) {
    super(
        name,
        launch,
        log,
        "unidentified=0",
        "handshakes=0",
        "waiting=0",
        "sessions=0",
        "buffered=0");
  }

  /** Waits for the log line with the port. */
  public LogLine awaitListening() {
    return awaitLog("relay\\.listening .*\\bport=\\d+", START);
  }

  public int port() {
    return Integer.parseInt(awaitListening().value("port"));
  }

  /** The port of a service. */
  public int port(String service) {
    LogLine listening = awaitLog("relay\\.listening service=" + service + " ", START);
    return Integer.parseInt(listening.value("port"));
  }

  /** Its port on IPv4 loopback, shared by users and agents. */
  public InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port());
  }
}
