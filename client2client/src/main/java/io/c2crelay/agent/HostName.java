package io.c2crelay.agent;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** The local host name: the default agent label. */
final class HostName {
  private static final Path PROC_HOSTNAME = Paths.get("/proc/sys/kernel/hostname");

  private HostName() {}

  /** The host name, or an empty string if it is unknown or has unusual characters. */
  static String get() {
    String name = read().trim();
    return name.matches("[A-Za-z0-9._-]{1,64}") ? name : "";
  }

  private static String read() {
    try {
      // InetAddress may block on a name service; reading this file does not.
      return new String(Files.readAllBytes(PROC_HOSTNAME), StandardCharsets.UTF_8);
    } catch (IOException | SecurityException e) {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException unknown) {
        return "";
      }
    }
  }
}
