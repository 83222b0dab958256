package io.c2crelay.common.admin;

import io.c2crelay.common.cli.Checks;
import io.c2crelay.common.cli.SharedOptions;
import io.c2crelay.common.cli.StartupException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Where the admin endpoint listens, and its password. Immutable. */
public final class AdminSettings {
  private static final Pattern FORM = Pattern.compile("(?:(.+):)?([0-9]{1,5})");

  private final InetSocketAddress address;
  private final @Nullable String password;

  private AdminSettings(InetSocketAddress address, @Nullable String password) {
    this.address = address;
    this.password = password;
  }

  /**
   * The settings of a command line; null if the endpoint is off.
   *
   * @throws IllegalArgumentException as {@link #parse}
   * @throws StartupException if the password file cannot be read
   */
  public static @Nullable AdminSettings of(SharedOptions options) throws StartupException {
    String password = options.adminPassword();
    if (options.admin() != null) {
      return parse(options.admin(), password);
    }
    if (password != null) {
      throw new IllegalArgumentException("--admin-password-file needs --admin");
    }
    return null;
  }

  /**
   * Parses {@code [HOST:]PORT}; the host defaults to the loopback address.
   *
   * @throws IllegalArgumentException if the text is invalid, or the address is not loopback and
   *     there is no password; the message does not repeat the text
   */
  public static AdminSettings parse(String text, @Nullable String password) {
    InetSocketAddress address = address(text);
    if (password == null && !address.getAddress().isLoopbackAddress()) {
      throw new IllegalArgumentException(
          "--admin on another address than the loopback needs --admin-password-file");
    }
    return new AdminSettings(address, password);
  }

  /** Parses only the address. */
  static InetSocketAddress address(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches() || Integer.parseInt(form.group(2)) > 65535) {
      throw new IllegalArgumentException("--admin needs PORT, HOST:PORT or [IPV6]:PORT");
    }
    String host = form.group(1);
    try {
      InetAddress address =
          host == null
              ? InetAddress.getLoopbackAddress()
              : InetAddress.getByName(Checks.host("the host of --admin", host));
      return new InetSocketAddress(address, Integer.parseInt(form.group(2)));
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException("the host of --admin cannot be resolved", null);
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof AdminSettings
        && address.equals(((AdminSettings) other).address)
        && Objects.equals(password, ((AdminSettings) other).password);
  }

  @Override
  public int hashCode() {
    return address.hashCode(); // excludes the password
  }

  InetSocketAddress address() {
    return address;
  }

  /** The password that every request except health checks needs; null if there is none. */
  @Nullable String password() {
    return password;
  }
}
