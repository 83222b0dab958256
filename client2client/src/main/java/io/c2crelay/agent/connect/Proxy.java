package io.c2crelay.agent.connect;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.cli.Checks;
import io.netty.handler.proxy.HttpProxyHandler;
import io.netty.handler.proxy.ProxyHandler;
import io.netty.handler.proxy.Socks5ProxyHandler;
import java.io.UnsupportedEncodingException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A proxy between agent and relay: HTTP CONNECT (RFC 9110) or SOCKS 5 (RFC 1928), with optional
 * credentials. Immutable.
 */
public final class Proxy {
  private enum Kind {
    HTTP,
    SOCKS5
  }

  private final Kind kind;
  private final String host;
  private final int port;
  private final @Nullable String user;
  private final String password;

  private Proxy(Kind kind, String host, int port, @Nullable String user, String password) {
    this.kind = kind;
    this.host = host;
    this.port = port;
    this.user = user;
    this.password = password;
  }

  /**
   * Parses {@code http://[USER[:PASSWORD]@]HOST:PORT} or {@code socks5://…}. User and password are
   * percent-encoded.
   *
   * @param name the option's name, for messages
   * @param password replaces the password of the URL if it is not null
   * @throws IllegalArgumentException if the URL is invalid; the message does not repeat it
   */
  public static Proxy parse(String name, String url, @Nullable String password) {
    String form = name + " needs http://[USER:PASSWORD@]HOST:PORT or socks5://…";
    URI uri;
    try {
      uri = new URI(url);
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(form, null); // no cause: its message repeats the URL
    }
    String path = uri.getRawPath();
    boolean complete =
        uri.getScheme() != null
            && uri.getHost() != null
            && uri.getPort() >= 1
            && uri.getPort() <= 65535
            && (path == null || path.isEmpty() || path.equals("/"))
            && uri.getRawQuery() == null
            && uri.getRawFragment() == null;
    if (!complete) {
      throw new IllegalArgumentException(form);
    }
    Kind kind;
    try {
      kind = Kind.valueOf(uri.getScheme().toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(form, null);
    }
    String[] credentials = uri.getRawUserInfo() == null ? new String[0] : split(uri);
    String user = credentials.length == 0 ? null : decode(form, credentials[0]);
    String given = credentials.length < 2 ? "" : decode(form, credentials[1]);
    if (password != null && user == null) {
      throw new IllegalArgumentException(name + " needs a user for the password");
    }
    return new Proxy(
        kind,
        Checks.host("the host of " + name, uri.getHost()),
        uri.getPort(),
        user,
        password == null ? given : password);
  }

  private static String[] split(URI uri) {
    return requireNonNull(uri.getRawUserInfo()).split(":", 2);
  }

  private static String decode(String form, String text) {
    try {
      return URLDecoder.decode(text.replace("+", "%2B"), "UTF-8");
    } catch (IllegalArgumentException | UnsupportedEncodingException e) {
      throw new IllegalArgumentException(form, null);
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Proxy
        && ((Proxy) other).kind == kind
        && ((Proxy) other).host.equals(host)
        && ((Proxy) other).port == port
        && Objects.equals(((Proxy) other).user, user)
        && ((Proxy) other).password.equals(password);
  }

  @Override
  public int hashCode() {
    return Objects.hash(kind, host, port); // without the password
  }

  /** The name or address, without brackets. */
  String host() {
    return host;
  }

  int port() {
    return port;
  }

  /**
   * Creates the first handler in the pipeline. It connects to the proxy in place of the channel's
   * remote address, and asks the proxy to connect to that address: an unresolved name.
   *
   * @param address the proxy's address
   */
  ProxyHandler newHandler(InetSocketAddress address) {
    if (kind == Kind.SOCKS5) {
      return new Socks5ProxyHandler(address, user, password);
    }
    return user == null
        ? new HttpProxyHandler(address)
        : new HttpProxyHandler(address, user, password);
  }

  /** The URL without user and password. */
  @Override
  public String toString() {
    return kind.name().toLowerCase(Locale.ROOT)
        + "://"
        + (host.contains(":") ? "[" + host + "]" : host)
        + ":"
        + port;
  }
}
