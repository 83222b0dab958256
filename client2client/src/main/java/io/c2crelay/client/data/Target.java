package io.c2crelay.client.data;

import io.c2crelay.common.cli.Limits;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The TCP server an agent dials for each session, as people write it: {@code 22}, {@code host:22},
 * {@code [::1]:22}.
 */
public final class Target {
  private static final Pattern FORM = Pattern.compile("(?:(.+):)?([0-9]{1,5})", Pattern.DOTALL);
  private static final String ALLOWED =
      "TARGET must be a port, HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535";

  private final @Nullable String host;
  private final int port;

  private Target(@Nullable String host, int port) {
    this.host = host;
    this.port = port;
  }

  /**
   * Reads a target.
   *
   * @throws IllegalArgumentException if {@code text} is none, without repeating it
   */
  public static Target parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(ALLOWED);
    }
    int port = Integer.parseInt(form.group(2));
    String host = form.group(1);
    boolean bareIpv6 = host != null && host.contains(":") && !host.startsWith("[");
    if (port < 1 || port > 65535 || bareIpv6) {
      throw new IllegalArgumentException(ALLOWED);
    }
    return new Target(host == null ? null : Limits.host("the host of TARGET", host), port);
  }

  /**
   * The name or address to dial, without brackets; null for this machine's loopback, IPv4 first,
   * then IPv6.
   */
  public @Nullable String host() {
    return host;
  }

  /** The port to dial, 1 to 65535. */
  public int port() {
    return port;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Target
        && ((Target) other).port == port
        && Objects.equals(((Target) other).host, host);
  }

  @Override
  public int hashCode() {
    return Objects.hash(host, port);
  }

  /** As people write it: what {@link #parse} takes. */
  @Override
  public String toString() {
    if (host == null) {
      return Integer.toString(port);
    }
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }
}
