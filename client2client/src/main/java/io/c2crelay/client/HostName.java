package io.c2crelay.client;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** The name this machine has for itself, for people to know agents apart. */
final class HostName {
  private static final Path LINUX = Paths.get("/proc/sys/kernel/hostname");

  private HostName() {}

  /** The name, or an empty text if it is unknown or unusual. */
  static String get() {
    String name = ask().trim();
    return name.matches("[A-Za-z0-9._-]{1,64}") ? name : "";
  }

  private static String ask() {
    try {
      // Linux says without asking the network, which the JDK's way may wait for.
      return new String(Files.readAllBytes(LINUX), StandardCharsets.UTF_8);
    } catch (IOException | SecurityException e) {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException unknown) {
        return "";
      }
    }
  }
}
