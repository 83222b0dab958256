package io.c2crelay.agent.connect;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.cli.Checks;
import java.net.InetSocketAddress;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Host and port of a TCP server, the relay or a target, written as {@code 22}, {@code host:22} or
 * {@code [::1]:22}. Immutable.
 */
public final class Route {
  private static final Pattern FORM = Pattern.compile("(?:(.+):)?([0-9]{1,5})", Pattern.DOTALL);
  private static final String USAGE =
      "TARGET must be a port, HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535";

  private final @Nullable String host;
  private final int port;
  private final @Nullable InetSocketAddress address;

  private Route(@Nullable String host, int port, @Nullable InetSocketAddress address) {
    this.host = host;
    this.port = port;
    this.address = address;
  }

  /** A route to one address of a name, which the address knows. */
  public static Route of(InetSocketAddress address) {
    return new Route(address.getAddress().getHostAddress(), address.getPort(), address);
  }

  /** A route to a valid port of a valid host: a name, or an address without brackets. */
  public static Route of(String host, int port) {
    return new Route(requireNonNull(host, "host"), port, null);
  }

  /**
   * Parses a target.
   *
   * @throws IllegalArgumentException if {@code text} is not a valid target; the message does not
   *     repeat it
   */
  public static Route parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(USAGE);
    }
    int port = Integer.parseInt(form.group(2));
    String host = form.group(1);
    boolean bareIpv6 = host != null && host.contains(":") && !host.startsWith("[");
    if (port < 1 || port > 65535 || bareIpv6) {
      throw new IllegalArgumentException(USAGE);
    }
    return new Route(host == null ? null : Checks.host("the host of TARGET", host), port, null);
  }

  /**
   * The name or address, without brackets; null for the loopback addresses, IPv4 first, then IPv6.
   */
  public @Nullable String host() {
    return host;
  }

  /** The port, 1 to 65535. */
  public int port() {
    return port;
  }

  /** The address; null if it has to be looked up. */
  @Nullable InetSocketAddress address() {
    return address;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Route
        && ((Route) other).port == port
        && Objects.equals(((Route) other).host, host);
  }

  @Override
  public int hashCode() {
    return Objects.hash(host, port);
  }

  /** The text form, as {@link #parse} reads it. */
  @Override
  public String toString() {
    if (host == null) {
      return Integer.toString(port);
    }
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }
}
